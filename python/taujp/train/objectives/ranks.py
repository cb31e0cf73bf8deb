"""Sums over the ranks of a torchrun job, such that every rank's loss is that of the whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum of every rank's `values`; with one process, `values`.

    Every rank then computes the same loss of the whole batch. DistributedDataParallel takes the
    mean of the ranks' gradients, and what is wanted is the sum of their shares: so backward hands
    on world size times the gradient.
    """
    if world_size() == 1:
        return values
    return _SumOverRanks.apply(values)


def world_size() -> int:
    """How many ranks there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def rank() -> int:
    """This process's number among them."""
    return distributed.get_rank() if world_size() > 1 else 0


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * distributed.get_world_size()
