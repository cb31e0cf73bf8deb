"""Low-rank tangents (LoRA): a weight [out, in] moves by B A alone, A [rank, in], B [out, rank].

Hu et al. 2021, "LoRA", for the factors; Tang et al. 2024, "L-LoRA", for linearising them: B A is
the tangent in W's place, so the features stay linear in it and task vectors still add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class LowRank(nn.Module):
    """The factors of every weight; at the start A is random and B zero, so theta = theta0."""

    def __init__(self, weights: Mapping[str, Tensor], rank: int, *, seed: int = 0) -> None:
        super().__init__()
        self.rank, self.names = rank, tuple(weights)
        generator = torch.Generator().manual_seed(seed)
        right, left = [], []
        for weight in weights.values():
            bound = 1 / math.sqrt(weight.shape[1])  # nn.Linear's own, as LoRA starts A
            a = (torch.rand(rank, weight.shape[1], generator=generator) * 2 - 1) * bound
            right.append(nn.Parameter(a.to(weight)))
            left.append(nn.Parameter(torch.zeros(weight.shape[0], rank).to(weight)))
        self.right, self.left = nn.ParameterList(right), nn.ParameterList(left)

    def products(self) -> dict[str, Tensor]:
        """B A for every weight, differentiable in both."""
        factors = zip(self.names, self.left, self.right, strict=True)
        return {name: b @ a for name, b, a in factors}

    def extra_repr(self) -> str:
        return f"rank={self.rank}, weights={len(self.names)}"
