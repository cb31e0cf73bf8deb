"""ExPO: further along the way that training went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Blend, Formula
from ..method import tensor_method

if TYPE_CHECKING:
    from ..parameter import Parameter


@tensor_method("expo", checkpoints=(1, 1), cost="one pass")
def expo(n: int) -> Formula:
    """Extrapolate an aligned model beyond itself, away from the model that it was aligned from.

    theta = theta_1 + c (theta_1 - theta0): the base is the model before alignment, the coefficient
    is the paper's alpha, found on validation data (0.1 to 0.5 there); 0 gives theta_1.
    Source: Zheng et al. 2024, arXiv 2404.16792.
    """

    def merged(parameter: Parameter) -> Iterator[Blend]:
        for (alpha,) in parameter.rows:
            yield Blend((1.0 + alpha,))

    return Formula(merged, blends=True)
