"""One optimiser step: gradients of all parts of the batch and of all ranks, clipped, applied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from taujp.train.batch import Batch
from taujp.train.objective import Objective
from taujp.train.optimiser import make_optimiser
from taujp.train.recipe import Recipe, learning_rate_factor
from taujp.train.stopping import StopRequest


@dataclass(frozen=True)
class Step:
    """Means over the whole batch before the update, gradient norms before clipping.

    `images`: training images of all ranks. `stop`: whether any rank was asked to stop.
    """

    terms: dict[str, float]
    norms: dict[str, float]
    learning_rate: float
    images: int
    stop: bool


class Stepper:
    """Takes an objective's steps in place, by the recipe's AdamW and schedule.

    The gradient is that of the mean over the batch: the same to rounding for any
    `recipe.accumulate` and any number of ranks.
    """

    def __init__(self, fabric: Any, objective: Objective, recipe: Recipe) -> None:
        self.fabric, self.objective, self.recipe = fabric, objective, recipe
        self.wrapped = fabric.setup_module(objective.learner)
        self.groups = objective.groups()
        self.optimiser = make_optimiser(self.groups, recipe)

    def take(self, step: int, request: StopRequest) -> Step:
        """Updates the weights once; what is not finite raises ValueError and changes nothing."""
        rate = self._set_learning_rates(step)
        self.optimiser.zero_grad()
        batch = self.objective.batch(step).on(self.fabric)
        if batch.restart:
            self.optimiser.state.clear()
        means, stop = self._over_ranks(self._accumulate_gradients(batch), request.came)
        norms = {group.name: self._clip(list(group.parameters)) for group in self.groups}
        for name, value in (*means.items(), *norms.items()):
            if not math.isfinite(value):
                raise ValueError(
                    f"finetune: the {name.replace('_', ' ')} is {value} at step {step} (learning "
                    f"rate {rate:.3g}); expected a finite number; lower the learning rate (now "
                    f"{self.recipe.learning_rate}) or check the images"
                )
        self.optimiser.step()
        return Step(means, norms, rate, len(batch.images) * self.fabric.world_size, stop)

    def _set_learning_rates(self, step: int) -> float:
        """Every group's by the schedule; returns the first."""
        steps, warmup_steps = self.recipe.steps, self.recipe.warmup_steps
        factor = learning_rate_factor(step, steps=steps, warmup_steps=warmup_steps)
        for group, settings in zip(self.groups, self.optimiser.param_groups, strict=True):
            settings["lr"] = group.learning_rate * factor
        return float(self.optimiser.param_groups[0]["lr"])

    def _accumulate_gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Backward through every part of this rank's rows; the means of the objective's terms."""
        sums: dict[str, Tensor] = {}
        parts = self.recipe.accumulate
        for index, piece in enumerate(batch.pieces(parts)):
            # Ranks exchange gradients once, after the last part.
            with self.fabric.no_backward_sync(self.wrapped, enabled=index + 1 < parts):
                output = self.wrapped(piece.images, piece.control)
                terms = self.objective.terms(output, piece)
                self.fabric.backward(terms["loss"] / parts)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0) + value.detach() / parts
        return sums

    def _over_ranks(self, means: dict[str, Tensor], stop: bool) -> tuple[dict[str, float], bool]:
        """The means over all ranks, and whether any has to stop: all stop after the same step."""
        numbers = [value.double() for value in means.values()]
        numbers.append(torch.tensor(float(stop), dtype=torch.float64, device=self.fabric.device))
        *reduced, stops = self.fabric.all_reduce(torch.stack(numbers), reduce_op="mean").tolist()
        return dict(zip(means, reduced, strict=True)), stops > 0

    def _clip(self, parameters: list[nn.Parameter]) -> float:
        return float(nn.utils.clip_grad_norm_(parameters, self.recipe.gradient_clip))
