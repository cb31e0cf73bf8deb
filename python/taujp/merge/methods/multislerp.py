"""Multi-SLERP: a weighted mean of many checkpoints on the sphere."""

from __future__ import annotations

from collections.abc import Sequence

from ..coefficients import Row
from ..errors import MergeError
from ..formula import Formula
from ..gram import Gram, applied, dot, length_of, lengths_and_cosines, moved
from ..method import tensor_method
from ..recipe import yes_or_no

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

    divided = yes_or_no("normalize", normalize)

    def weights(products: Gram, row: Row) -> Row:
        return _weights(products, shares(row) if divided else row)

    return Formula(weights=weights)


def shares(row: Sequence[float]) -> Row:
    """c / sum(c)."""
    total = sum(row)
    if abs(total) < 1e-8:
        raise MergeError(f"coefs are {list(row)}, whose sum is zero; expected shares of each")
    return tuple(c / total for c in row)


def _weights(products: Gram, row: Row) -> Row:
    """Of the vectors; points are written by their weights on the units."""
    lengths, cosines = lengths_and_cosines(products)
    length = length_of(row, cosines)
    if length < NOTHING:
        return row
    mean = [w / length for w in row]
    along = dot(row, applied(cosines, mean))
    tangent = [w - along * m for w, m in zip(row, mean, strict=True)]
    point = moved(mean, tangent, length_of(tangent, cosines))
    size = dot(row, lengths)
    return tuple(
        p * size / length if length > 0 else 0.0 for p, length in zip(point, lengths, strict=True)
    )
