"""Arcee Fusion: take over only the changes that stand out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter

EPSILON = 1e-8
ROWS = 1 << 20  # elements whose divergences are worked out at a time


@tensor_method("arcee_fusion", checkpoints=(1, 1), weighted=False)
def arcee_fusion(n: int) -> Formula:
    """Fuse a fine-tune into its base by its important changes alone.

    The importance of an element is |tau| times its row's KL(softmax(theta_1) || softmax(theta0))
    (1e-8 added to every probability); theta = theta0 + tau where it is at least the parameter's
    median + 1.5 (third - first quartile). Quartiles are those of all elements (mergekit samples a
    million of larger parameters), divergences are in float64 (mergekit: in the input's dtype, where
    small ones are rounding alone).
    Source: Arcee Fusion, as in mergekit 0.1.5.
    """

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        from ..selection import quantile

        tau = parameter.vectors[0]
        importance = _importance(parameter.base, tau)
        first, middle, third = (quantile(importance, q) for q in (0.25, 0.5, 0.75))
        yield tau * (importance >= middle + 1.5 * (third - first))

    return Formula(merged)


def _importance(base: Tensor, tau: Tensor) -> Tensor:
    """In fp32, [shape]."""
    import torch

    length = base.shape[-1] if base.ndim else 1
    importance = tau.abs().view(-1, length)
    step = max(ROWS // length, 1)
    for first in range(0, importance.shape[0], step):
        old = base.view(-1, length)[first : first + step].double()
        new = old + tau.view(-1, length)[first : first + step].double()
        p, q = (torch.softmax(side, -1).add_(EPSILON) for side in (new, old))
        divergence = (p * (p / q).log_()).sum(-1, keepdim=True)
        importance[first : first + step] *= divergence.to(importance.dtype)
    return importance.view(base.shape)
