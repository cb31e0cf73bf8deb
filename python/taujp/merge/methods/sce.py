"""SCE: select by variance, calculate weights, erase against the majority's sign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method
from ..recipe import one_number

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter


@tensor_method("sce", weighted=False)
def sce(n: int, *, density: float = 1.0) -> Formula:
    """Fuse models of one base by what they changed differently, the strongest change weighing most.

    Of each parameter the floor(`density` * number of nonzero variances) elements whose tau vary
    most over the checkpoints are kept, in all of them (equal variances: the lowest indices; one
    checkpoint has no variance: give density 1). Then w_i = mean(tau_i^2) / their sum, the sign of
    sum_i tau_i is elected (a tie elects +, zeros abstain), and theta = theta0 + the mean of what
    agrees, weighted by w_i. mergekit calls density select_topk, with this default; the paper keeps
    a tenth. Where all mean(tau_i^2) sum to less than 1e-6 mergekit takes equal weights, here only
    zero does.
    Source: Wan et al. 2024, arXiv 2408.07990.
    """
    share = one_number("density", density, 0.0, 1.0)

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        import torch

        from ..elected import folded

        vectors = parameter.vectors
        if share < 1:
            _select(vectors, share)
        norms = [float(torch.linalg.vector_norm(t, dtype=torch.float64)) for t in vectors]
        squares = [norm**2 / parameter.size for norm in norms]
        total = sum(squares)
        weights = [square / total for square in squares] if total > 0 else [1.0 / n] * n
        yield folded(vectors, weights, fold="elect_unweighted", normalize=True)

    return Formula(merged)


def _select(vectors: list[Tensor], share: float) -> None:
    """Zero all but the share of elements that vary most."""
    from ..selection import largest

    mean = sum(vectors[1:], vectors[0].clone()) / len(vectors)
    variance = sum(((tau - mean).square_() for tau in vectors[1:]), (vectors[0] - mean).square_())
    kept = largest(variance, int(int(variance.count_nonzero()) * share))
    for tau in vectors:
        tau.mul_(kept)
