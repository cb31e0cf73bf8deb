"""A function of two parameters as a module, and what its linearisation has to be."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import taujp

Function = Callable[[Tensor, Tensor], Tensor]


class Of(nn.Module):
    """A function of two parameters [3, 4]."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.a = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))

    def forward(self) -> Tensor:
        return self.function(self.a, self.b)


def assert_right(function: Function, backend: str) -> None:
    """Value by central differences, gradient by reverse mode."""
    model = Of(function)
    generator = torch.Generator().manual_seed(1)
    tau = {
        name: torch.randn(p.shape, generator=generator, dtype=p.dtype)
        for name, p in model.named_parameters()
    }
    theta = {name: p.detach() + tau[name] for name, p in model.named_parameters()}
    lin = taujp.linearize(model, at=theta, backend=backend)
    f0, df = lin.dual()
    for output, tangent in ((f0, df), lin_without_graph(lin)):
        torch.testing.assert_close(output, model().detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(tangent, differences(model, tau), rtol=1e-5, atol=1e-7)
    v = torch.randn(df.shape, generator=generator, dtype=df.dtype)
    expected = torch.autograd.grad((model() * v).sum(), [model.a, model.b])
    found = torch.autograd.grad((df * v).sum(), [lin.module.a, lin.module.b])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    for name, base in lin.theta0.items():  # no operation in place reached it
        assert torch.equal(base, model.get_parameter(name))


def lin_without_graph(lin: taujp.tangent.Linearized) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return lin.dual()


def differences(model: Of, tau: dict[str, Tensor], step: float = 1e-5) -> Tensor:
    """(f(theta0 + h tau) - f(theta0 - h tau)) / 2h."""
    ends = []
    for sign in (step, -step):
        at = [(p.detach() + sign * tau[name]) for name, p in model.named_parameters()]
        ends.append(model.function(*(p.requires_grad_() for p in at)).detach())
    return (ends[0] - ends[1]) / (2 * step)
