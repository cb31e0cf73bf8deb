"""Multi-SLERP: a weighted mean of many checkpoints on the sphere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import MergeError
from ..formula import Blend, Formula
from ..method import tensor_method

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter

NOTHING = 1e-7  # a length that is rounding alone: products have 16 digits


@tensor_method("multislerp", base="optional", cost="two passes: products, then a weighted sum")
def multislerp(n: int, *, normalize: bool = True) -> Formula:
    """Interpolate any number of checkpoints, or with a base task vectors, on the sphere.

    The units u_i = v_i / |v_i| of a parameter are projected on the tangent space at their weighted
    mean's unit m, summed there with weights w_i to T, and m cos|T| + T sin|T| / |T| is given the
    length sum_i w_i |v_i|. w = c / sum(c), or c itself without `normalize`. One step of `karcher`.
    Where the weighted units cancel (as the signs of a single number can) the vectors are summed by
    weight; mergekit does so for two and refuses more. mergekit adds 1e-8 to lengths; here a vector
    of zeros is left out.
    Source: C. Goddard, "Multi-SLERP", as in mergekit 0.1.5.
    """

    def merged(parameter: Parameter) -> Iterator[Blend]:
        lengths, cosines = lengths_and_cosines(parameter.products)
        for row in parameter.rows:
            weights = shares(row) if normalize else row
            yield Blend(_weights(lengths, cosines, weights))

    return Formula(merged, blends=True)


def lengths_and_cosines(products: Tensor) -> tuple[Tensor, Tensor]:
    """|v_i| [N] and the products of the units [N, N], float64; a vector of zeros has no unit: 0."""
    lengths = products.diagonal().sqrt()
    inverse = (1.0 / lengths).where(lengths > 0, 0.0)
    return lengths, products * inverse[:, None] * inverse[None, :]


def shares(row: tuple[float, ...]) -> tuple[float, ...]:
    """c / sum(c)."""
    total = sum(row)
    if abs(total) < 1e-8:
        raise MergeError(f"coefs are {list(row)}, whose sum is zero; expected shares of each")
    return tuple(c / total for c in row)


def _weights(lengths: Tensor, cosines: Tensor, weights: tuple[float, ...]) -> tuple[float, ...]:
    """Of the vectors; points are written by their weights on the units."""
    w = lengths.new_tensor(weights)
    length = math.sqrt(max(float(w @ cosines @ w), 0.0))
    if length < NOTHING:
        return weights
    mean = w / length
    tangent = w - float(w @ cosines @ mean) * mean
    size = math.sqrt(max(float(tangent @ cosines @ tangent), 0.0))
    point = mean * math.cos(size) + tangent * (math.sin(size) / size if size > 0 else 1.0)
    point = point * float(w @ lengths)
    return tuple((point / lengths).where(lengths > 0, 0.0).tolist())
