"""What fine-tuning minimises: cross-entropy under a frozen head, plus weighted penalties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from taujp.train.batch import Batch
from taujp.train.batches import endless_batches
from taujp.train.optimiser import Group
from taujp.train.recipe import Recipe


class Objective(Protocol):
    """What the loop of `fit` needs to know of what it trains."""

    learner: nn.Module

    def groups(self) -> list[Group]:
        """What is trained."""

    def open(self, *, start: int, part: int, parts: int) -> None:
        """Once before the first step, and after a resume."""

    def batch(self, step: int) -> Batch:
        """This rank's rows of a step; called once for every step from `start`, in order."""

    def terms(self, output: Any, batch: Batch) -> dict[str, Tensor]:
        """ "loss", which is minimised, and whatever of it is worth logging apart.

        `output`: of the learner's forward(images, control). Every term is a mean over rows.
        """


class PenalisedClassification:
    """loss = cross_entropy(head(features), labels) + sum of weight * penalty."""

    def __init__(
        self,
        learner: Any,
        head: nn.Module,
        train: Dataset[Any],
        recipe: Recipe,
        *,
        penalties: Sequence[Any] = (),
        workers: int = 0,
    ) -> None:
        self.learner, self.head, self.recipe = learner, head, recipe
        self.penalties, self._train, self._workers = tuple(penalties), train, workers
        self._batches: Iterator[tuple[Tensor, Tensor]] = iter(())

    def groups(self) -> list[Group]:
        """One group: what the learner's mode trains."""
        trained = [value for value in self.learner.parameters() if value.requires_grad]
        return [Group("gradient_norm", trained, self.recipe.learning_rate)]

    def open(self, *, start: int, part: int, parts: int) -> None:
        """Goes to step `start` of the training batches and of every penalty's."""
        size, seed, workers = self.recipe.batch_size, self.recipe.seed, self._workers
        self._batches = endless_batches(
            self._train, size, seed=seed, start=start, part=part, parts=parts, workers=workers
        )
        for penalty in self.penalties:
            penalty.open(start=start, part=part, parts=parts, workers=workers)

    def batch(self, step: int) -> Batch:
        """The step's training rows and every penalty's control images."""
        images, labels = next(self._batches)
        return Batch(images, labels, tuple(each.control(step) for each in self.penalties))

    def terms(self, output: Any, batch: Batch) -> dict[str, Tensor]:
        """The loss; with penalties also the cross-entropy and each penalty without its weight."""
        features, tangents = output
        loss, parts = self.risk(features, batch)
        for penalty, its_tangents in zip(self.penalties, tangents, strict=True):
            value = penalty.value(its_tangents, self.learner.lin)
            parts[_unused(penalty.name, parts)] = value
            loss = loss + penalty.weight * value
        return {"loss": loss, **parts}

    def risk(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss without penalties, and what of it is worth logging apart."""
        loss = functional.cross_entropy(
            self.head(features), batch.labels, label_smoothing=self.recipe.label_smoothing
        )
        return loss, {"cross_entropy": loss} if self.penalties else {}


def _unused(name: str, taken: dict[str, Tensor]) -> str:
    """The name, or with a number where two penalties have the same."""
    if name not in taken:
        return name
    return next(f"{name}_{n}" for n in range(2, len(taken) + 2) if f"{name}_{n}" not in taken)
