"""The nearest matrix whose singular values are all 1: the polar factor, without an SVD."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .spectrum import WEAKEST, gram

# Of the strongest singular value. Below _WEAK a value is no square's root: the squares are right to
# 1e-16 of the largest. DEPENDENT is for what was decomposed in float64: the rest is its rounding.
_WEAK, DEPENDENT = 1e-4, 1e-9
# The weakest with which a product in fp32 is right to 1e-5: its error grows as strongest / weakest.
_FP32 = 1e-3


class InverseRoot(NamedTuple):
    """(A A^T)^(-1/2) of a matrix [m, n], in float64; directions of no strength have no inverse."""

    matrix: torch.Tensor  # [m, m]
    values: torch.Tensor  # [m], the singular values of A, ascending, of at least 0
    weakest: float  # of those that have an inverse, by the strongest


def orthogonal(matrix: torch.Tensor, weakest: float = WEAKEST) -> torch.Tensor:
    """(A A^T)^(-1/2) A in float64; 0 instead of 1 where there is no direction (see `spectrum`)."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.mT, weakest).mT
    root = inverse_root(matrix, weakest)
    return product(root.matrix, matrix, root.weakest).double()


def inverse_root(rows: torch.Tensor, weakest: float = WEAKEST) -> InverseRoot:
    """(A A^T)^(-1/2); what is weaker than `weakest`, of the strongest, counts as no direction."""
    rows = rows.double()
    squares, vectors = torch.linalg.eigh(gram(rows))
    values = squares.clamp_(min=0).sqrt_()
    weak = int((values < _WEAK * values[-1:]).sum())
    if weak:
        values[:weak], vectors[:, :weak] = _weak(rows, values[weak:], vectors, weak)
    first = int((values <= weakest * values[-1:]).sum())
    quarter = vectors[:, first:] * values[first:].rsqrt()
    least = float(values[first] / values[-1]) if first < len(values) else 1.0
    return InverseRoot(gram(quarter), values, least)


def _weak(
    rows: torch.Tensor, strong: torch.Tensor, vectors: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weak directions once more, by themselves: the squares of their images alone.

    What they have of the strong ones, with the values `strong`, is taken out of them first.
    """
    some, others = vectors[:, :count], vectors[:, count:]
    seen = others.mT @ (rows @ (rows.mT @ some))
    some = some - others @ (seen / strong.square()[:, None])
    squares, turned = torch.linalg.eigh(gram(some.mT @ rows))
    return squares.clamp_(min=0).sqrt_(), some @ turned


def product(one: torch.Tensor, other: torch.Tensor, weakest: float) -> torch.Tensor:
    """one @ other: in fp32, twice as fast, where the inverse roots in them allow it.

    weakest: the least `InverseRoot.weakest` of these.
    """
    if weakest > _FP32:
        return one.float() @ other.float()
    return one.double() @ other.double()
