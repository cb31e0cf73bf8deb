"""Consensus merging: drop the weights that matter to one task alone, or to none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..coefficients import LARGEST
from ..formula import Formula
from ..method import merge_method
from ..recipe import Recipe, one_each, whole_number

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter


@merge_method("consensus", cost="one pass; with a share for each task in torch")
def consensus(n: int, *, share: float | list[float] = 0.4, tasks: int = 2) -> Recipe | Formula:
    """Add task vectors where at least two tasks need the sum: catastrophic and selfish weights go.

    With the sum s = sum_i c_i tau_i, task i needs an element where |c_i tau_i| >= `share`
    |s - c_i tau_i| (its TALL mask; > in the authors' program); theta = theta0 + s where `tasks` or
    more need it: 2 as theirs, 1 drops catastrophic weights alone, 0 nothing. The paper finds
    `share` (its lambda) for each task on validation data, in 0.2 to 0.6 (a list of N; see
    `tall_mask`), and scales the result: lambda_.
    Source: Wang et al. 2024, arXiv 2405.07813.
    """
    shares = one_each("share", share, n, LARGEST)
    needed = whole_number("tasks", tasks, 0, n)
    if len(set(shares)) == 1:
        return Recipe(fold="consensus", dials=(shares[0], needed))

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        import torch

        from ..elected import tall_masks

        for row in parameter.rows:
            total, masks = tall_masks(parameter.vectors, row, shares)
            yield total * (torch.stack(masks).sum(0) >= needed)

    return Formula(merged, pointwise=True)
