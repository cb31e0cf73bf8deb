"""The Karcher mean: the point on the sphere nearest to all checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Blend, Formula
from ..method import tensor_method
from ..recipe import one_number, whole_number
from .multislerp import lengths_and_cosines, shares

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter


OPPOSITE = 1e-6


@tensor_method("karcher", base="none", cost="two passes: products, then a weighted sum")
def karcher(n: int, *, steps: int = 10, tolerance: float = 1e-5) -> Formula:
    """Average checkpoints by direction and length apart: SLERP for any number of them.

    The units u_i of a parameter get the mean m that minimises sum_i w_i angle(m, u_i)^2, found from
    their weighted mean by at most `steps` (mergekit: max_iter) of m <- exp_m(T), T = sum_i w_i
    log_m(u_i), until |T| < `tolerance` (tol); theta = m sum_i w_i |theta_i|, w = c / sum(c)
    (mergekit: all alike). Vectors no longer than `tolerance` have no direction and count for the
    length alone; one opposite to the mean (within 1e-6) pulls nowhere. All of it
    happens in float64 on the N x N products.
    Source: Karcher 1977; mergekit 0.1.5 and arXiv 2603.04972.
    """
    limit = one_number("tolerance", tolerance, 0.0, 1.0)
    most = whole_number("steps", steps, 0, 10_000)

    def merged(parameter: Parameter) -> Iterator[Blend]:
        lengths, cosines = lengths_and_cosines(parameter.products)
        for row in parameter.rows:
            weights = lengths.new_tensor(shares(row))
            directed = weights.where(lengths > limit, 0.0)
            if not bool((directed != 0).any()):
                yield Blend((0.0,) * n)
                continue
            mean = _mean(cosines, directed / directed.sum(), most, limit)
            point = mean * float(weights @ lengths)
            yield Blend(tuple((point / lengths).where(directed != 0, 0.0).tolist()))

    return Formula(merged, blends=True)


def _mean(cosines: Tensor, weights: Tensor, steps: int, tolerance: float) -> Tensor:
    """The mean by its weights [N] on the units."""
    mean = weights
    length = _length(cosines, mean)
    if length < tolerance:  # they cancel: begin at the first
        mean = weights.new_zeros(weights.shape)
        mean[int((weights != 0).nonzero()[0])] = length = 1.0
    mean = mean / length
    for _ in range(steps):
        tangent = _tangent(cosines, weights, mean, tolerance)
        size = _length(cosines, tangent)
        if size < tolerance:
            break
        mean = mean * math.cos(size) + tangent * (math.sin(size) / size)
        mean = mean / _length(cosines, mean)
    return mean


def _tangent(cosines: Tensor, weights: Tensor, mean: Tensor, tolerance: float) -> Tensor:
    """sum_i w_i log_m(u_i)."""
    tangent = weights.new_zeros(weights.shape)
    for i, (weight, cosine) in enumerate(
        zip(weights.tolist(), (cosines @ mean).tolist(), strict=True)
    ):
        angle = math.acos(min(max(cosine, -1.0), 1.0))
        if weight == 0 or angle < tolerance or math.pi - angle < OPPOSITE:
            continue
        factor = weight * angle / math.sin(angle)
        tangent = tangent - factor * cosine * mean
        tangent[i] += factor
    return tangent


def _length(cosines: Tensor, point: Tensor) -> float:
    return math.sqrt(max(float(point @ cosines @ point), 0.0))
