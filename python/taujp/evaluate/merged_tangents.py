"""Linearised models added through cached tangents: one pass over a data set for every sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

import taujp
from taujp.evaluate.merged import Coefficients, Split
from taujp.train.encoder import encoder_state
from taujp.train.prepare import PreparedTask

if TYPE_CHECKING:
    from taujp.tangent.features import TangentFeatures


class MergedTangents:
    """f(x; theta0) + sum_t c_t J(x; theta0) tau_t of linearised models.

    The features are linear in the coefficients, so all T tangents of an image are pushed through
    the model once (taujp.tangent_features), kept, and every sum is a small matrix product:
    memory (T + 1) * width numbers an image. Exact for linearised models; ordinary checkpoints
    are linearised at theta0 after the fact. Use one object for all protocols of a set of models.
    Predictions are those of the head on f0 + J sum_t c_t tau_t, to the rounding of the sum.

    Args:
      model: the pre-trained open_clip model. finetuned: {task name: checkpoint of theta}.
      mode: what results call these models ("linear", "attention", "lora", "post-hoc").
    """

    method = "task_arithmetic"

    def __init__(
        self,
        model: Any,
        finetuned: Mapping[str, Any],
        *,
        mode: str = "post-hoc",
        batch_size: int = 128,
        workers: int = 0,
    ) -> None:
        base = encoder_state(model)
        self.names, self.mode = tuple(finetuned), mode
        self.options: Mapping[str, Any] = {}
        self._model, self._batch_size, self._workers = model, batch_size, workers
        self._vectors = {name: taujp.TaskVector(base, own) for name, own in finetuned.items()}
        self._kept: dict[tuple[str, Split], tuple[Any, TangentFeatures]] = {}

    def pretrained(self, task: PreparedTask, split: Split) -> float:
        """The accuracy of f(x; theta0)."""
        return self._accuracy({}, task, split)

    def finetuned(self, name: str, task: PreparedTask, split: Split) -> float:
        """The accuracy of one linearised model: its own vector with coefficient 1."""
        return self._accuracy({name: 1.0}, task, split)

    def sums(
        self, rows: Sequence[Coefficients], tasks: Sequence[PreparedTask], split: Split
    ) -> Iterator[dict[str, float]]:
        """Every task's accuracy for one row of coefficients after another."""
        for row in rows:
            yield {task.name: self._accuracy(row, task, split) for task in tasks}

    def features(self, task: PreparedTask, split: Split) -> TangentFeatures:
        """f0 and every J tau_t of a split, computed when first asked for."""
        dataset, key = getattr(task.splits, split), (task.name, split)
        # Another data set under the same name is not what was kept.
        if key not in self._kept or self._kept[key][0] is not dataset:
            found = taujp.tangent_features(
                self._model,
                None,
                self._vectors,
                dataset,
                batch_size=self._batch_size,
                workers=self._workers,
            )
            self._kept[key] = dataset, found
        return self._kept[key][1]

    def predictions(self, row: Coefficients, task: PreparedTask, split: Split) -> Tensor:
        """The predicted labels int64 [n] of a split for one row of coefficients, on the CPU."""
        found = self.features(task, split).at(row)
        head = task.head.to(found.device)
        with torch.no_grad():
            return head(found).argmax(-1).cpu()

    def _accuracy(self, row: Coefficients, task: PreparedTask, split: Split) -> float:
        labels = self.features(task, split).labels
        if labels is None:
            raise ValueError(
                f"MergedTangents: the {split} data of '{task.name}' have no labels; expected "
                "(image, label) pairs"
            )
        return (self.predictions(row, task, split) == labels.cpu()).double().mean().item()
