"""Every operation that torch tests itself by: its tangent is right in both back ends, or it raises.

The oracle needs no forward mode: <v, J tau> = <J^T v, tau>, the right side by reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

import taujp

SAMPLES, ELEMENTS = 2, 5_000
RANDOM = "draws random numbers"
TORCH_ITSELF = (
    "torch's own forward and reverse mode disagree: the function is no function of its input"
)
LEFT_OUT = {
    "as_strided_scatter": TORCH_ITSELF,  # overlapping memory
    "nn.functional.max_unpool1d": TORCH_ITSELF,  # repeated indices
    "nn.functional.max_unpool2d": TORCH_ITSELF,
    "nn.functional.max_unpool3d": TORCH_ITSELF,
    "triangular_solve": TORCH_ITSELF,  # one of them takes the other triangle for zero
    "linalg.eigh": TORCH_ITSELF,  # eigenvectors are defined up to a phase
    "linalg.eig": TORCH_ITSELF,
    "linalg.svd": TORCH_ITSELF,
    "svd": TORCH_ITSELF,
    "svd_lowrank": RANDOM,
    "pca_lowrank": RANDOM,
    "cholesky_inverse": TORCH_ITSELF,  # within 1e-6 of each other
    "linalg.cholesky": TORCH_ITSELF,  # one takes the input for symmetric
    "linalg.cholesky_ex": TORCH_ITSELF,
    "cov": TORCH_ITSELF,
    "logcumsumexp": TORCH_ITSELF,
    "masked.logaddexp": TORCH_ITSELF,  # NaN where both are masked
    "nanmean": TORCH_ITSELF,  # NaN times zero
    "nansum": TORCH_ITSELF,
    "empty_like": RANDOM,
    "new_empty": RANDOM,
    "new_empty_strided": RANDOM,
    "empty_strided": RANDOM,
    **dict.fromkeys(("bfloat16", "half", "float", "chalf", "cfloat"), "rounds the tangent"),
}


class OfSample(nn.Module):
    """An operation whose floating inputs are parameters; its floating outputs, complex as pairs."""

    def __init__(self, operation: Callable[..., Any], sample: Any) -> None:
        super().__init__()
        self.operation = operation
        self.leaves, self.structure = tree_flatten((sample.input, sample.args, sample.kwargs))
        self.moving = {}
        for i, leaf in enumerate(self.leaves):
            if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.numel():
                self.moving[i] = f"input{i}"
                self.register_parameter(f"input{i}", nn.Parameter(leaf.detach().clone()))

    def forward(self) -> tuple[Tensor, ...]:
        leaves = list(self.leaves)
        for i, name in self.moving.items():
            leaves[i] = getattr(self, name)
        first, args, kwargs = tree_unflatten(leaves, self.structure)
        return tuple(
            real(x) for x in tree_leaves(self.operation(first, *args, **kwargs)) if moves(x)
        )


def moves(x: Any) -> bool:
    return isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())


def real(x: Tensor) -> Tensor:
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def models(operations: list[Any]) -> Iterator[tuple[str, OfSample]]:
    """A few samples of every operation that has a reverse rule and no reason to be left out."""
    for info in operations:
        if torch.float64 not in info.dtypes or not info.supports_autograd or info.name in LEFT_OUT:
            continue
        # Not sample_inputs(): it walks the stack for each sample, which takes most of the time.
        samples = info.sample_inputs_func(info, "cpu", torch.float64, requires_grad=False)
        for sample, _ in zip(samples, range(SAMPLES)):  # noqa: B905
            inputs = [
                x
                for x in tree_leaves((sample.input, sample.args, sample.kwargs))
                if isinstance(x, Tensor)
            ]
            if any(x.layout != torch.strided for x in inputs):
                continue
            model = OfSample(info.op, sample)
            if model.moving and sum(x.numel() for x in inputs) <= ELEMENTS:
                yield f"{info.name} {info.variant_test_name}".strip(), model


def reverse(model: OfSample) -> tuple[list[Tensor], list[Tensor], list[Tensor | None]]:
    """Outputs, covectors v, and J^T v, by the model itself."""
    torch.manual_seed(5)
    outputs = list(model())
    v = [torch.randn_like(x) for x in outputs]
    pairs = [(x, one) for x, one in zip(outputs, v, strict=True) if x.requires_grad]
    if not pairs:
        return outputs, v, [None] * len(model.moving)
    parameters = list(model.parameters())
    grads = torch.autograd.grad(
        [x for x, _ in pairs], parameters, [one for _, one in pairs], allow_unused=True
    )
    return outputs, v, list(grads)


def fault(model: OfSample, backend: str) -> str | None:
    """What is wrong; None where all is right or TangentError was raised."""
    try:
        outputs, v, grads = reverse(model)
    except (RuntimeError, NotImplementedError):  # an input that may not require a gradient
        return "no oracle"
    parameters = dict(model.named_parameters())
    torch.manual_seed(1)
    tau = {name: torch.randn_like(p) for name, p in parameters.items()}
    theta = {name: p.detach() + tau[name] for name, p in parameters.items()}
    lin = taujp.linearize(model, at=theta, backend=backend)
    torch.manual_seed(5)
    try:
        f0, df = lin.dual()
    except taujp.TangentError:
        return "refused"
    for ours, plain in zip(f0, outputs, strict=True):
        if not torch.allclose(ours, plain, rtol=1e-10, atol=1e-12, equal_nan=True):
            return "f0 differs"
    got = sum(float((one * x).sum()) for one, x in zip(v, df, strict=True))
    products = zip(grads, tau.values(), strict=True)
    expected = sum(float((grad.to_dense() * t).sum()) for grad, t in products if grad is not None)
    scale = (
        1e-3
        + abs(expected)
        + sum(float((one * x).abs().sum()) for one, x in zip(v, df, strict=True))
    )
    same = abs(got - expected) <= 1e-9 * scale or got != got
    return None if same else f"<v, J tau> = {got}, <J^T v, tau> = {expected}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", ["dual", "generic"])
def test_every_operation(backend: str) -> None:
    pytest.importorskip("expecttest", reason="torch's list of its operations needs expecttest")
    from torch.testing._internal.common_methods_invocations import op_db

    found: dict[str, list[str]] = {}
    wrong = []
    for name, model in models(op_db):
        outcome = fault(model, backend)
        if outcome in (None, "no oracle", "refused"):
            found.setdefault(str(outcome), []).append(name)
        else:
            wrong.append(f"{name}: {outcome}")
    assert not wrong, "\n".join(wrong)
    right, refused = len(found["None"]), len(found.get("refused", []))
    assert right > 600, f"only {right} samples came out right"
    assert refused < right / 8, f"refused: {sorted(set(found['refused']))}"
