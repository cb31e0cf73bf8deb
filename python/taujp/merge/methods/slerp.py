"""SLERP: two checkpoints, along the arc between them."""

from __future__ import annotations

import math

from ..coefficients import Row
from ..errors import MergeError
from ..formula import Formula
from ..gram import Gram
from ..method import tensor_method
from ..recipe import one_number


@tensor_method(
    "slerp", base="none", checkpoints=(2, 2), cost="two passes: products, then a weighted sum"
)
def slerp(n: int, *, parallel: float = 0.9995) -> Formula:
    """Interpolate between two checkpoints on the arc, so that the middle keeps its length.

    With t = c_2 / (c_1 + c_2) and the angle omega between a parameter's two tensors, flattened,
    theta = (sin((1 - t) omega) theta_1 + sin(t omega) theta_2) / sin(omega).
    Coefficients are [1 - t, t]; a row of them for each t gives many models. Where the cosine's
    magnitude is above `parallel`, or a tensor is zero (mergekit: an angle of 90 degrees),
    theta = (1 - t) theta_1 + t theta_2. mergekit calls theta_1 the base and takes t; the arc
    between task vectors is `nuslerp`.
    Source: Shoemake 1985, doi 10.1145/325165.325242.
    """
    limit = one_number("parallel", parallel, 0.0, 1.0)

    def weights(products: Gram, row: Row) -> Row:
        return on_the_arc(cosine_of(products), share_of_second(row), limit)

    return Formula(weights=weights)


def cosine_of(products: Gram) -> float:
    """The cosine of two vectors from their products [2, 2]; 1 where one is zero: no angle."""
    (aa, ab), (_, bb) = products
    scale = math.sqrt(aa) * math.sqrt(bb)
    return min(max(ab / scale, -1.0), 1.0) if scale > 0 else 1.0


def share_of_second(row: Row) -> float:
    """t from the two coefficients."""
    total = row[0] + row[1]
    if abs(total) < 1e-8:
        raise MergeError(
            f"coefs are {list(row)}, whose sum is zero; expected [1 - t, t], t the second's share"
        )
    return row[1] / total


def on_the_arc(cosine: float, t: float, limit: float) -> tuple[float, float]:
    """The two weights; those of the straight line where the arc has none of its own."""
    omega = math.acos(cosine)
    if abs(cosine) > limit or omega == 0:
        return 1.0 - t, t
    return math.sin((1.0 - t) * omega) / math.sin(omega), math.sin(t * omega) / math.sin(omega)
