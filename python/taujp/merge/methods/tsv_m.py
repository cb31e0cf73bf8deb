"""TSV-Merge: the strongest directions of every task, made orthogonal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Blend, Formula
from ..method import tensor_method

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter
    from ..spectrum import Spectrum

DECOMPOSED = "a matrix of every checkpoint in memory and its decompositions"


@tensor_method("tsv_m", cost=DECOMPOSED)
def tsv_m(n: int) -> Formula:
    """Merge many tasks without data: each gets its share of every matrix's directions.

    Of each c_i tau_i of shape [a, b] the strongest k = floor(min(a, b) / N) singular triples are
    kept; all of them together are U S V, U and V are replaced by the nearest matrices with
    orthonormal columns and rows, and theta = theta0 + U S V. What is no matrix, or one with fewer
    than N rows or columns, gets the mean of c_i tau_i. Scale by lambda_ (the paper: 1). What
    tasks share but for 1e-9 counts as one direction; down to that all are made orthogonal.
    The authors average "text_projection", and fusion-bench what it is told to; both give small
    matrices nothing, and where a task's rank is below k, as of adapters, they make room for
    directions of rounding, which here count for none.
    Source: Gargiulo et al. 2025, arXiv 2412.00081.
    """

    def merged(parameter: Parameter) -> Iterator[Tensor | Blend]:
        from ..spectrum import strongest

        if len(parameter.shape) != 2 or min(parameter.shape) < n:
            yield from means(parameter)
            return
        count = min(parameter.shape) // n
        kept = [strongest(parameter.vector(i), count) for i in parameter.checkpoints]
        for row in parameter.rows:
            yield _together(kept, row)

    return Formula(merged, decomposes=True, beside=30)


def means(parameter: Parameter) -> Iterator[Blend]:
    """The mean of c_i tau_i for each row."""
    for row in parameter.rows:
        yield Blend(tuple(c / len(row) for c in row))


def _together(kept: list[Spectrum], row: tuple[float, ...]) -> Tensor:
    """U' diag(c S) V', with U' = U (U^T U)^(-1/2) and V' = (V V^T)^(-1/2) V."""
    import torch

    from ..orthogonal import DEPENDENT, inverse_root, product

    used = [(triple, c) for triple, c in zip(kept, row, strict=True) if c != 0]
    if not used:
        return kept[0].left @ kept[0].right * 0.0
    left = torch.cat([triple.left for triple, _ in used], 1)
    right = torch.cat([triple.right for triple, _ in used])
    strength = torch.cat([triple.values * c for triple, c in used])
    over, under = inverse_root(left.mT, DEPENDENT), inverse_root(right, DEPENDENT)
    core, weakest = (over.matrix * strength) @ under.matrix, min(over.weakest, under.weakest)
    if len(left) > right.shape[1]:
        return product(left, core @ right, weakest)
    return product(left @ core, right, weakest)
