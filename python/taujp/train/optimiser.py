"""AdamW whose weight decay pulls the weights to where they started, or to 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from taujp.train.recipe import Recipe


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate, and whose gradient is clipped as one vector."""

    name: str
    parameters: Sequence[nn.Parameter]
    learning_rate: float


class AdamWFromStart(torch.optim.AdamW):
    """theta <- theta - lr * decay * (theta - start), then AdamW's step; `start` is theta now.

    With start = theta0 the decay shrinks the task vector, not the weights. One group of parameters
    for each learning rate; the decay is decoupled as in Loshchilov & Hutter 2019 (1711.05101).
    """

    def __init__(self, groups: Sequence[dict[str, Any]], *, decay: float) -> None:
        super().__init__(groups, weight_decay=0.0)
        self.decay = decay
        self.starts = [[p.detach().clone() for p in group["params"]] for group in groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step; parameters without a gradient stay where they are."""
        for group, starts in zip(self.param_groups, self.starts, strict=True):
            moved: list[tuple[Tensor, Tensor]] = [
                (parameter, start)
                for parameter, start in zip(group["params"], starts, strict=True)
                if parameter.grad is not None
            ]
            if moved and self.decay:
                parameters, targets = zip(*moved, strict=True)
                torch._foreach_lerp_(parameters, targets, group["lr"] * self.decay)
        return super().step(closure)


def make_optimiser(groups: Sequence[Group], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's AdamW over these groups; to be made before any step is taken."""
    settings = [{"params": list(each.parameters), "lr": each.learning_rate} for each in groups]
    if recipe.decay_towards == "zero":
        return torch.optim.AdamW(settings, weight_decay=recipe.weight_decay)
    return AdamWFromStart(settings, decay=recipe.weight_decay)
