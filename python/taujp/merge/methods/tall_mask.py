"""TALL masks: from the sum of all task vectors, each task takes what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..coefficients import LARGEST
from ..formula import Formula
from ..masked import Masked, masked_formula
from ..method import tensor_method
from ..recipe import one_each

if TYPE_CHECKING:
    from ..parameter import Parameter


@tensor_method("tall_mask", cost="one pass; N models", per_task=True)
def tall_mask(n: int, *, share: float | list[float] = 0.4) -> Formula:
    """Find each task's own weights in a sum of task vectors: N models of one vector and N masks.

    With the sum s = sum_i c_i tau_i, task i needs an element where |c_i tau_i| >= `share`
    |s - c_i tau_i| (as in the paper; > in the authors' program); its model is theta0 + lambda_ s
    there, theta0 elsewhere. The paper has coefficients of 1 and finds `share` (its lambda) for each
    task on validation data, in 0.2 to 0.6: a list of N. `consensus` makes one model of the same
    masks; `taujp.compact` keeps s and the masks alone, from which each model can be made again.
    Source: Wang et al. 2024, arXiv 2405.07813.
    """
    shares = one_each("share", share, n, LARGEST)

    def masked(parameter: Parameter) -> Masked:
        from ..elected import tall_masks

        (row,) = parameter.rows
        return Masked(*tall_masks(parameter.vectors, row, shares), [1.0] * n)

    return masked_formula(masked)
