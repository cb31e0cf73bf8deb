"""Means and variances over groups of rows, over all ranks; as products with a table of who is
where, so that a GPU adds in one order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from taujp.train.objectives.ranks import rank, sum_over_ranks, world_size


def group_means(values: Tensor, group: Tensor, count: int) -> Tensor:
    """The mean of values [k, n] over each group's rows, [k, count]; group: int64 [n]."""
    member = functional.one_hot(group, count).to(values.dtype)
    sums = sum_over_ranks(torch.cat([values @ member, member.sum(0, keepdim=True)]))
    return sums[:-1] / sums[-1]


def within_variance(values: Tensor, group: Tensor, count: int) -> Tensor:
    """The variance of values [n, width] over each group's rows, as a mean over width and groups.

    Divides by a group's rows less one; groups of fewer than two rows have no part.
    """
    member = functional.one_hot(group, count).to(values.dtype)
    sizes = sum_over_ranks(member.sum(0))
    with torch.no_grad():  # the sum of squares is least at the mean: its gradient there is 0
        means = sum_over_ranks(member.mT @ values) / sizes.clamp(min=1)[:, None]
    squares = sum_over_ranks((values - means[group]).square().mean(1) @ member)
    several = sizes > 1
    return (squares[several] / (sizes[several] - 1)).mean()


def halves(group: Tensor, count: int) -> Tensor:
    """2 group + (0 for a group's 1st, 3rd, ... row, 1 for its 2nd, 4th, ...), int64 [n].

    Ranks have every world_size-th row of a group between them, as `endless_batches` shares it out.
    """
    member = functional.one_hot(group, count)
    place = (member.cumsum(0) * member).sum(1) - 1
    return 2 * group + (place * world_size() + rank()) % 2
