"""The loop's objective for several environments: an invariance objective plus penalties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Dataset

from taujp.train.batch import Batch
from taujp.train.environment_batches import environment_batches
from taujp.train.objective import PenalisedClassification
from taujp.train.objectives import Environments, InvarianceObjective
from taujp.train.recipe import Recipe


class InvariantClassification(PenalisedClassification):
    """loss = invariance(features, head, environments) + sum of weight * penalty.

    The terms of the two are logged apart: every environment's risk, the invariance objective's own
    under its name, and each penalty without its weight.
    """

    def __init__(
        self,
        learner: Any,
        head: nn.Module,
        environments: Mapping[str, Dataset[Any]],
        recipe: Recipe,
        *,
        invariance: InvarianceObjective,
        penalties: Sequence[Any] = (),
        workers: int = 0,
    ) -> None:
        check_recipe(recipe)
        together: Dataset[Any] = ConcatDataset(list(environments.values()))
        super().__init__(learner, head, together, recipe, penalties=penalties, workers=workers)
        self.environments, self.invariance = dict(environments), invariance
        invariance.follow(value for value in learner.parameters() if value.requires_grad)
        self._rows: Iterator[tuple[Tensor, Tensor, Tensor]] = iter(())

    def open(self, *, start: int, part: int, parts: int) -> None:
        """Goes to step `start` of every environment's batches and of every penalty's."""
        self._rows = environment_batches(
            self.environments,
            self.recipe.batch_size,
            seed=self.recipe.seed,
            start=start,
            part=part,
            parts=parts,
            workers=self._workers,
        )
        for penalty in self.penalties:
            penalty.open(start=start, part=part, parts=parts, workers=self._workers)

    def batch(self, step: int) -> Batch:
        """The step's rows of every environment; tells the objective which step it is."""
        images, labels, index = next(self._rows)
        control = tuple(each.control(step) for each in self.penalties)
        return Batch(images, labels, control, index, restart=self.invariance.begin(step))

    def risk(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The invariance objective's loss, and its log."""
        assert batch.index is not None
        environments = Environments(batch.labels, batch.index, tuple(self.environments))
        loss, log = self.invariance(features, self.head, environments)
        name = self.invariance.name
        named = {key if key.startswith("risk") else f"{name}_{key}": log[key] for key in log}
        return loss, {name: loss, **named} if self.penalties else named


def check_recipe(recipe: Recipe) -> None:
    """ValueError for what a loss over environments cannot be combined with."""
    if recipe.accumulate != 1:
        raise ValueError(
            f"finetune: accumulate is {recipe.accumulate} with an objective over environments; "
            "expected 1: the penalty of a batch is not the mean of its parts'; in a linearised "
            "mode `chunk` saves memory, to the same numbers"
        )
    if recipe.label_smoothing:
        raise ValueError(
            f"finetune: label_smoothing is {recipe.label_smoothing} with an objective over "
            "environments; expected 0"
        )
