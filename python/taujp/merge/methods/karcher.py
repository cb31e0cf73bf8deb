"""The Karcher mean: the point on the sphere nearest to all checkpoints."""

from __future__ import annotations

import math

from ..coefficients import Row
from ..formula import Formula
from ..gram import Gram, Numbers, applied, dot, length_of, lengths_and_cosines, moved
from ..method import tensor_method
from ..recipe import one_number, whole_number
from .multislerp import shares

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

    def weights(products: Gram, row: Row) -> Row:
        lengths, cosines = lengths_and_cosines(products)
        shared = shares(row)
        directed = [w if length > limit else 0.0 for w, length in zip(shared, lengths, strict=True)]
        if not any(directed):
            return (0.0,) * n
        mean = _mean(cosines, shares(directed), most, limit)
        size = dot(shared, lengths)
        return tuple(
            m * size / length if w else 0.0
            for m, w, length in zip(mean, directed, lengths, strict=True)
        )

    return Formula(weights=weights)


def _mean(cosines: Gram, weights: Numbers, steps: int, tolerance: float) -> Numbers:
    """The mean by its weights [N] on the units."""
    mean = list(weights)
    length = length_of(mean, cosines)
    if length <= tolerance:  # they cancel: begin at the first
        mean = [0.0] * len(mean)
        mean[next(i for i, w in enumerate(weights) if w)] = length = 1.0
    mean = [m / length for m in mean]
    for _ in range(steps):
        tangent = _tangent(cosines, weights, mean, tolerance)
        size = length_of(tangent, cosines)
        if size <= tolerance:
            break
        mean = moved(mean, tangent, size)
        length = length_of(mean, cosines)
        mean = [m / length for m in mean]
    return mean


def _tangent(cosines: Gram, weights: Numbers, mean: Numbers, tolerance: float) -> Numbers:
    """sum_i w_i log_m(u_i)."""
    tangent = [0.0] * len(mean)
    for i, (weight, cosine) in enumerate(zip(weights, applied(cosines, mean), strict=True)):
        angle = math.acos(min(max(cosine, -1.0), 1.0))
        if weight == 0 or angle <= tolerance or math.pi - angle < OPPOSITE:
            continue
        factor = weight * angle / math.sin(angle)
        tangent = [t - factor * cosine * m for t, m in zip(tangent, mean, strict=True)]
        tangent[i] += factor
    return tangent
