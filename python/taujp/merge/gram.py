"""The dot products of N vectors and what follows from them, in plain numbers: no torch, no numpy.

N is small (the checkpoints of a merge), and sums run in order: everywhere the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Numbers = Sequence[float]  # [N]
Gram = Sequence[Numbers]  # [N, N] <v_i, v_j>, symmetric


def mirrored(upper: Gram) -> list[list[float]]:
    """The whole of a symmetric matrix from what is on and above its diagonal.

    Numbers by hand: torch.triu starts a team of threads for a matrix of two rows as well, and on a
    busy machine that team takes milliseconds to meet.
    """
    n = len(upper)
    return [[upper[min(i, j)][max(i, j)] for j in range(n)] for i in range(n)]


def lengths_and_cosines(products: Gram) -> tuple[list[float], list[list[float]]]:
    """|v_i| [N] and the products of the units [N, N]; a vector of zeros has no unit: 0."""
    lengths = [math.sqrt(row[i]) for i, row in enumerate(products)]
    inverse = [1.0 / length if length > 0 else 0.0 for length in lengths]
    cosines = [
        [product * inverse[i] * inverse[j] for j, product in enumerate(row)]
        for i, row in enumerate(products)
    ]
    return lengths, cosines


def dot(one: Numbers, two: Numbers) -> float:
    """sum_i a_i b_i."""
    return sum(a * b for a, b in zip(one, two, strict=True))


def applied(matrix: Gram, vector: Numbers) -> list[float]:
    """The matrix times the vector, [N]."""
    return [dot(row, vector) for row in matrix]


def length_of(point: Numbers, cosines: Gram) -> float:
    """|sum_i p_i u_i| of units by their products; what rounding makes negative counts as 0."""
    square = dot(point, applied(cosines, point))
    return math.nan if math.isnan(square) else math.sqrt(max(square, 0.0))


def moved(point: Numbers, tangent: Numbers, size: float) -> list[float]:
    """point cos(size) + tangent sin(size) / size: along the sphere, size = |tangent|."""
    if not math.isfinite(size):
        return [math.nan] * len(point)
    along = math.sin(size) / size if size > 0 else 1.0
    return [p * math.cos(size) + t * along for p, t in zip(point, tangent, strict=True)]
