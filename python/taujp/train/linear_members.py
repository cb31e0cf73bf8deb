"""Whole networks that play the IRM game and end as one: linearised, their mean is a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from taujp.train.modes import Control, LinearisedLearner
from taujp.train.objectives import Members


class LinearisedMembers(nn.Module):
    """f(x; theta0) + J(x; theta0) mean_e tau_e, the mean of a linearised network of each player.

    The mean of the players' features is the features of their mean task vector, exactly: what the
    game ends with is one checkpoint. `turn` is that of `Members`.
    """

    def __init__(self, learners: Sequence[LinearisedLearner]) -> None:
        super().__init__()
        self.learners = nn.ModuleList(learners)
        self.turn: int | None = None

    def __len__(self) -> int:
        return len(self.learners)

    @property
    def lin(self) -> Any:
        """The first player's linearised model: for penalties that ask no more than its device."""
        return self.learners[0].lin

    def forward(
        self, images: Tensor, control: Control
    ) -> tuple[Tensor, tuple[dict[str, Tensor], ...]]:
        played = [self._one(number, images, control) for number in range(len(self))]
        features = torch.stack([own for own, _ in played]).mean(0)
        tangents = tuple(
            {name: torch.stack([df[name] for df in each]).mean(0) for name in each[0]}
            for each in zip(*(dfs for _, dfs in played), strict=True)
        )
        return features, tangents

    def _one(self, number: int, images: Tensor, control: Control) -> Any:
        learns = self.turn in (None, Members.FEATURES, number)
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            return self.learners[number](images, control)

    def state(self) -> dict[str, Tensor]:
        """theta0 + mean_e tau_e by the encoder's own names."""
        states = [learner.state() for learner in self.learners]  # type: ignore[operator]
        return {name: _mean([state[name] for state in states]) for name in states[0]}


def _mean(values: list[Tensor]) -> Tensor:
    """Of floating point; of anything else the first, which no member trains."""
    return torch.stack(values).mean(0) if values[0].is_floating_point() else values[0]
