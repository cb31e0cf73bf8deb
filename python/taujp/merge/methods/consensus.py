"""Consensus merging: drop the weights that matter to one task alone, or to none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method
from ..recipe import one_number

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter


@tensor_method("consensus", cost="one pass")
def consensus(n: int, *, share: float = 0.4, tasks: int = 2) -> Formula:
    """Add task vectors where at least two tasks need the sum: catastrophic and selfish weights go.

    With the sum s = sum_i c_i tau_i, task i needs an element where |c_i tau_i| >= `share`
    |s - c_i tau_i| (its TALL mask); theta = theta0 + s where `tasks` or more need it. The paper
    finds `share` (its lambda) by task on validation data, in 0.2 to 0.6, and scales the result:
    lambda_.
    Source: Wang et al. 2024, arXiv 2405.07813.
    """
    least = one_number("share", share, 0.0, float("inf"))
    needed = int(one_number("tasks", tasks, 0, n))

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        import torch

        for row in parameter.rows:
            terms = [tau * c for tau, c in zip(parameter.vectors, row, strict=True)]
            total = sum(terms[1:], terms[0])
            votes = torch.zeros(total.shape, dtype=torch.int32, device=total.device)
            for term in terms:
                votes += term.abs() >= least * (total - term).abs()
            yield total * (votes >= needed)

    return Formula(merged, pointwise=True)
