"""The networks that the test beds are trained with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from taujp.train.objectives import Members

WIDTH = 128


class TwoParts(nn.Module):
    """logits = head(features(x)): the parts that an invariance objective asks for."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, x: Tensor) -> Tensor:
        """The logits [n, classes]."""
        return self.head(self.features(x))


def digits_network(seed: int, *, heads: int = 1) -> TwoParts:
    """An MLP of two hidden layers of 128 on two channels of 8 x 8; the mean of `heads` heads."""
    torch.manual_seed(seed)
    features = nn.Sequential(
        nn.Flatten(), nn.Linear(128, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()
    )
    outputs = [nn.Linear(WIDTH, 2) for _ in range(heads)]
    return TwoParts(features, outputs[0] if heads == 1 else Members(outputs))


def whole_networks(seed: int, count: int) -> TwoParts:
    """The mean of `count` such MLPs, for the game of whole networks."""
    members = [digits_network(seed * count + number) for number in range(count)]
    return TwoParts(nn.Identity(), Members(members))


class LogOdds(nn.Module):
    """Two classes from the log-odds z [n, 1] of label 1: logits (0, z)."""

    def forward(self, z: Tensor) -> Tensor:
        """[n, 2]."""
        return torch.cat([torch.zeros_like(z), z], 1)


def linear_network(width: int) -> TwoParts:
    """Log-odds that are linear in the inputs, float64, from 0: its weight is what is estimated."""
    linear = nn.Linear(width, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(linear.weight)
    return TwoParts(linear, LogOdds())
