"""NearSwap: take over what is near."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter


@tensor_method("nearswap", checkpoints=(1, 1), cost="one pass")
def nearswap(n: int) -> Formula:
    """Move the base towards a second model, wholly where they hardly differ.

    theta = theta0 + w tau, w = t / max(|tau|, 1e-6) within [0, 1] for each element, t the
    coefficient: no element moves further than t, and none where t is negative.
    Source: alchemonaut's NearSwap, as in mergekit 0.1.5.
    """

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        (tau,) = parameter.vectors
        distance = tau.abs().clamp_(min=1e-6)
        for (t,) in parameter.rows:
            yield tau * (t / distance).clamp_(0, 1)

    return Formula(merged, pointwise=True)
