"""The oracle of linearised models: plain torch.func, forward mode for J tau, reverse for J^T v."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves

import taujp

Outputs = list[Tensor]


@dataclass(frozen=True)
class Products:
    """f0, J tau and J^T v of a model: lists of its floating outputs, and by parameter."""

    f0: Outputs
    df: Outputs
    grad_theta: Mapping[str, Tensor]


def floats_of(out: Any) -> Outputs:
    """The floating tensors of an output of any structure."""
    return [x for x in tree_leaves(out) if isinstance(x, Tensor) and x.is_floating_point()]


def random_theta(model: nn.Module, scale: float = 0.1) -> dict[str, Tensor]:
    """theta by name: the model's own parameters and some noise."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: p.detach() + scale * torch.randn(p.shape, generator=generator).to(p)
        for name, p in model.named_parameters()
    }


def covector(outputs: Outputs) -> Outputs:
    """A fixed v for the outputs of J."""
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(x.shape, generator=generator).to(x) for x in outputs]


def by_torch(model: nn.Module, theta: Mapping[str, Tensor], *args: Any, **kwargs: Any) -> Products:
    """By torch.func.jvp and torch.autograd.grad of the model itself, with MATH attention."""
    theta0 = {name: p.detach() for name, p in model.named_parameters()}
    tau = {name: theta[name] - base for name, base in theta0.items()}
    model = model.eval()

    def call(parameters: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(floats_of(functional_call(model, dict(parameters), args, kwargs)))

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            f0, df = torch.func.jvp(call, (theta0,), (tau,))
            leaves = {name: base.clone().requires_grad_() for name, base in theta0.items()}
            out = list(call(leaves))
            found = gradient(out, leaves)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return Products(list(f0), list(df), found)


def by_taujp(lin: taujp.tangent.Linearized, *args: Any, **kwargs: Any) -> Products:
    """The same three by the linearised model under test."""
    f0, df = lin.dual(*args, **kwargs)
    return Products(
        floats_of(f0), floats_of(df), gradient(floats_of(df), dict(lin.module.named_parameters()))
    )


def gradient(outputs: Outputs, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """J^T v by name; zeros where nothing depends on it."""
    pairs = [(x, v) for x, v in zip(outputs, covector(outputs), strict=True) if x.requires_grad]
    found = torch.autograd.grad(
        [x for x, _ in pairs], list(leaves.values()), [v for _, v in pairs], allow_unused=True
    )
    named = zip(leaves.items(), found, strict=True)
    return {name: torch.zeros_like(p) if grad is None else grad for (name, p), grad in named}


def difference(a: Tensor, b: Tensor) -> float:
    """|| a - b || / || b ||; the norm of a where b is zero."""
    distance = torch.linalg.vector_norm((a - b).detach().double())
    return float(distance / (torch.linalg.vector_norm(b.detach().double()) or 1))


def assert_agree(ours: Products, plain: Products, tolerance: float) -> None:
    """Outputs, tangents and every gradient within a relative distance."""
    assert len(ours.f0) == len(plain.f0), f"{len(ours.f0)} outputs; torch has {len(plain.f0)}"
    distances = {
        **{
            f"f0[{i}]": difference(*pair)
            for i, pair in enumerate(zip(ours.f0, plain.f0, strict=True))
        },
        **{
            f"df[{i}]": difference(*pair)
            for i, pair in enumerate(zip(ours.df, plain.df, strict=True))
        },
        **gradient_differences(ours.grad_theta, plain.grad_theta, floor=1e-3),
    }
    wrong = {name: d for name, d in distances.items() if not d <= tolerance}
    assert not wrong, f"off by more than {tolerance}: {wrong}"


def gradient_differences(
    ours: Mapping[str, Tensor], plain: Mapping[str, Tensor], floor: float = 0.0
) -> dict[str, float]:
    """Each parameter's, relative to its norm, or to `floor` times the largest norm of them.

    Some gradients are zero but for rounding: that of a bias of attention's keys.
    """
    assert ours.keys() == plain.keys()
    norms = {name: float(torch.linalg.vector_norm(grad)) for name, grad in plain.items()}
    least = max(floor * max(norms.values()), 1e-300)
    return {
        f"grad {name}": float(torch.linalg.vector_norm(ours[name] - grad)) / max(norms[name], least)
        for name, grad in plain.items()
    }
