"""Never a silent zero: a tangent is right in both back ends, or TangentError is raised."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import taujp
from two_parameters import Function, assert_right

INDEX = torch.tensor([[0, 1, 2, 0]] * 3)


def in_place_on_alias(a: Tensor, b: Tensor) -> Tensor:
    x = a * 2
    y = x.contiguous()
    y.add_(b)
    return x * b + y


def in_place_after_cast(a: Tensor, b: Tensor) -> Tensor:
    x = a * 2
    x.to(torch.float64).mul_(b)
    return x + b


def in_place_after_dropout(a: Tensor, b: Tensor) -> Tensor:
    x = a * b
    y = functional.dropout(x, 0.5, False)
    y.add_(b)
    return x * y


def view_of_what_changes(a: Tensor, b: Tensor) -> Tensor:
    x = a * 2
    row = x[0]
    x.add_(b)
    return row * b


def write_through_view(a: Tensor, b: Tensor) -> Tensor:
    x = a * 2
    x[0].add_(b[0])
    return x * b


def write_row(a: Tensor, b: Tensor) -> Tensor:
    x = a * 1.0
    x[1] = b[0]
    return x * b


def write_into_constant(a: Tensor, b: Tensor) -> Tensor:
    x = torch.zeros_like(a)
    x[1] = a[0]
    return x * b


def add_to_constant(a: Tensor, b: Tensor) -> Tensor:
    x = torch.ones(3, 4, dtype=torch.float64)
    x += a
    return x * b


def copy_into_constant(a: Tensor, b: Tensor) -> Tensor:
    x = torch.zeros(3, 4, dtype=torch.float64)
    x.copy_(a)
    return x * b


def relu_in_place(a: Tensor, b: Tensor) -> Tensor:
    x = a * b
    return x * functional.relu(x, inplace=True)


def recomputed(a: Tensor, b: Tensor) -> Tensor:
    return checkpoint(lambda x, y: (x * y).sin(), a, b, use_reentrant=False)


def recomputed_reentrant(a: Tensor, b: Tensor) -> Tensor:
    return checkpoint(lambda x, y: (x * y).sin(), a, b, use_reentrant=True)


RIGHT: dict[str, Function] = {  # by the back end dual itself
    "power": lambda a, b: a**2 + 2**b + a.abs() ** b,
    "number minus and over": lambda a, b: 1 - a + 2 / b - b / 3,
    "where": lambda a, b: torch.where(a > 0, a, b * 2),
    "maximum, clamp": lambda a, b: torch.maximum(a, b) + a.clamp(min=0.1),
    "einsum": lambda a, b: torch.einsum("ij,kj->ik", a, b),
    "matrix products": lambda a, b: a.mT @ b + a.T.mm(b) + torch.addmm(a[:, :1], a, b.T)[0, 0],
    "scatter_add": lambda a, b: torch.zeros_like(a).detach().scatter_add(1, INDEX, a) * b,
    "gather, index": lambda a, b: a.gather(1, INDEX) * b[:, [1, 0, 3, 2]],
    "cumulative": lambda a, b: a.cumprod(0) * b.cumsum(1) + a.logsumexp(1, keepdim=True),
    "masked_fill": lambda a, b: (a * b).masked_fill(b > 0, -1.0),
    "sort, topk": lambda a, b: a.sort(1).values[:, :2] * b.topk(2, 1)[0],
    "norms": lambda a, b: a / a.norm(dim=1, keepdim=True) * b.pow(2).mean().sqrt(),
    "variance": lambda a, b: torch.stack([a, b, a * b]).var(0) + a.std(1, keepdim=True),
    "softmax": lambda a, b: a.softmax(1) * functional.log_softmax(b, 0),
    "cross-entropy": lambda a, b: functional.cross_entropy(a * b, torch.tensor([0, 3, 1])),
    "layer norm": lambda a, b: functional.layer_norm(a * b, (4,), a[0], b[0]),
    "layer norm of two dimensions": lambda a, b: functional.layer_norm(a * b, (3, 4), a, b),
    "group norm": lambda a, b: functional.group_norm(a, 2, b[0], b[1]),
    "activations": lambda a, b: functional.gelu(a) + functional.silu(b) + functional.elu(a * b),
    "tanh gelu": lambda a, b: functional.gelu(a * b, approximate="tanh"),
    "complex": lambda a, b: torch.view_as_real(torch.polar(a, b) * torch.complex(a, b)).sum(-1),
    "fft": lambda a, b: torch.fft.irfft(torch.fft.rfft(a) * torch.fft.rfft(b)),
    "convolution": lambda a, b: functional.conv1d(a[None], b[None, :, :2].mT[:, :3].mT, padding=1),
    "attention": lambda a, b: functional.scaled_dot_product_attention(
        a.view(1, 1, 3, 4), b.view(1, 1, 3, 4), (a * b).view(1, 1, 3, 4), is_causal=True
    ),
    "bilinear resize": lambda a, b: functional.interpolate(
        (a * b)[None, None], size=(5, 6), mode="bilinear"
    ),
    "splits": lambda a, b: torch.cat([x * y for x, y in zip(a.split(2, 1), b.chunk(2, 1))]),  # noqa: B905
    "fixed part": lambda a, b: torch.cat([torch.ones_like(a), b]) * a.repeat(2, 1),
    "cast to fp32 and back": lambda a, b: (a * 1).to(torch.float64) * b.type_as(a),
    "recomputed": recomputed,
    "relu in place": relu_in_place,
}
RIGHT_OR_REFUSED: dict[str, Function] = {
    "in place on an alias": in_place_on_alias,
    "in place after a cast": in_place_after_cast,
    "in place after dropout": in_place_after_dropout,
    "view of what changes": view_of_what_changes,
    "write through a view": write_through_view,
    "write a row": write_row,
    "write into a constant": write_into_constant,
    "add to a constant": add_to_constant,
    "copy into a constant": copy_into_constant,
    "recomputed, reentrant": recomputed_reentrant,
    "scatter_reduce of products": lambda a, b: b.scatter_reduce(1, INDEX, a, "prod"),
    "pairwise distances": lambda a, b: torch.cdist(a, b),
    "incomplete gamma": lambda a, b: torch.special.gammainc(a.abs() + 1, b.abs() + 1),
    "vmap": lambda a, b: torch.vmap(lambda x, y: (x * y).sin())(a, b),
    "random": lambda a, b: functional.dropout(a * b, 0.5, True),
    "unique": lambda a, b: torch.unique(a * b),
}


@pytest.mark.parametrize("backend", ["dual", "generic"])
@pytest.mark.parametrize("name", RIGHT)
def test_right(name: str, backend: str) -> None:
    assert_right(RIGHT[name], backend)


@pytest.mark.parametrize("backend", ["dual", "generic", "auto"])
@pytest.mark.parametrize("name", RIGHT_OR_REFUSED)
def test_right_or_refused(name: str, backend: str) -> None:
    try:
        assert_right(RIGHT_OR_REFUSED[name], backend)
    except taujp.TangentError as error:
        assert str(error).startswith("tangent: "), error  # noqa: PT017
