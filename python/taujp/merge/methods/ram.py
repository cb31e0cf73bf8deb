"""RAM: what one model alone learned is kept, what several did is averaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method
from ..recipe import one_number

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter


@tensor_method("ram", weighted=False, cost="one pass")
def ram(n: int, *, epsilon: float = 1e-5) -> Formula:
    """Merge agents trained by reinforcement learning, whose changes are few and mostly their own.

    An element counts for those with |tau_i| > `epsilon`; theta = theta0 + the mean of their tau_i:
    unique changes are kept in full, shared ones averaged, smaller ones dropped.
    Source: arXiv 2601.13572, as in mergekit 0.1.5.
    """
    least = one_number("epsilon", epsilon, 0.0, float("inf"))

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        total, count = sums_of_changes(parameter.vectors, least)
        yield total / count.clamp_(min=1)

    return Formula(merged, pointwise=True)


@tensor_method("ramplus_tl", weighted=False)
def ramplus_tl(n: int, *, ratio: float = 0.1, most: float = 0.2, epsilon: float = 1e-5) -> Formula:
    """RAM with unique changes scaled up by how much of a model's changes are shared.

    A tau_i's unique elements are multiplied by 1 + `ratio` min(shared / unique, `most`), with the
    numbers of its shared and its unique elements in this parameter (tensor-local). mergekit calls
    them r and alpha. See `ram`. Source: arXiv 2601.13572, as in mergekit 0.1.5.
    """
    least = one_number("epsilon", epsilon, 0.0, float("inf"))
    r = one_number("ratio", ratio, 0.0, float("inf"))
    alpha = one_number("most", most, 0.0, float("inf"))

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        total, count = sums_of_changes(parameter.vectors, least)
        total /= count.clamp(min=1)
        for tau in parameter.vectors:
            changed = tau.abs() > least
            unique = changed & (count == 1)
            own = int(unique.sum())
            if own:
                share = min((int(changed.sum()) - own) / own, alpha)
                total += tau * unique * (r * share)
        yield total

    return Formula(merged)


def sums_of_changes(vectors: list[Tensor], least: float) -> tuple[Tensor, Tensor]:
    """The sum of what is larger than `least`, and of how many, for each element."""
    import torch

    total = torch.zeros_like(vectors[0])
    count = torch.zeros(total.shape, dtype=torch.int32, device=total.device)
    for tau in vectors:
        changed = tau.abs() > least
        total += tau * changed
        count += changed
    return total, count
