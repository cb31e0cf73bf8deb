"""ExPO: further along the way that training went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method

if TYPE_CHECKING:
    from ..coefficients import Row
    from ..prepare import Merge


@tensor_method("expo", checkpoints=(1, 1), cost="one pass")
def expo(n: int) -> Formula:
    """Extrapolate an aligned model beyond itself, away from the model that it was aligned from.

    theta = theta_1 + c (theta_1 - theta0): the base is the model before alignment, the coefficient
    is the paper's alpha, found on validation data (0.1 to 0.5 there); 0 gives theta_1.
    Source: Zheng et al. 2024, arXiv 2404.16792.
    """

    def weights(merge: Merge, name: str, row: Row) -> Row:
        return (1.0 + row[0],)

    return Formula(known=weights)
