"""Linearised models added through cached tangents: one pass over a data set for every sum."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

import taujp
from taujp.evaluate.classifier import classifier_of
from taujp.evaluate.coefficient_rows import Coefficients, is_layered
from taujp.evaluate.data_pass import evaluating
from taujp.evaluate.kept_scores import KeptScores
from taujp.evaluate.merged import Split
from taujp.evaluate.outputs import Keep, Outputs, all_of_it
from taujp.evaluate.task_scores import Scores
from taujp.evaluate.vector_layers import by_layer, layered_row
from taujp.train.prepare import PreparedTask

if TYPE_CHECKING:
    from taujp.tangent.features import TangentFeatures


class MergedTangents:
    """f(x; theta0) + sum_t c_t J(x; theta0) tau_t of linearised models.

    The features are linear in the coefficients, so all T tangents of an image are pushed through
    the model once (taujp.tangent_features), kept, and every sum is a small matrix product:
    memory (T + 1) * width numbers an image; T times the number of layers once coefficients by
    layer are asked for. Exact for linearised models; ordinary checkpoints are linearised at theta0
    after the fact. Use one object for all protocols of a set of models.

    Args:
      model: the pre-trained model, as `classifier_of` takes it. finetuned: {task name: checkpoint}.
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
        self.names, self.mode = tuple(finetuned), mode
        self.options: Mapping[str, Any] = {}
        self._classifier = classifier_of(model)
        base = {
            name: value.detach().cpu().clone() for name, value in self._classifier.state().items()
        }
        self.vectors: Mapping[str, taujp.TaskVector] = {
            name: taujp.TaskVector(base, own) for name, own in finetuned.items()
        }
        self._batch_size, self._workers = batch_size, workers
        self._features: dict[tuple[str, Split, bool], tuple[Any, TangentFeatures]] = {}
        self._kept = KeptScores()

    @property
    def layers(self) -> tuple[str, ...]:
        """The groups of weights that may have coefficients of their own."""
        return tuple(dict.fromkeys(layer for _, layer in self._layered))

    def outputs(
        self,
        rows: Sequence[Coefficients],
        task: PreparedTask,
        split: Split,
        *,
        keep: Keep = all_of_it,
    ) -> Iterator[Outputs]:
        """One row's outputs after another, computed when they are taken."""
        for row in rows:
            layered = is_layered(row)
            found = self.features(task, split, layered=layered)
            numbers: Mapping[Any, Any] = layered_row(row, self._layered) if layered else row
            yield Outputs(self._outputs(found.at(numbers), task, keep), _labels(found, task, split))

    def own(
        self, name: str, task: PreparedTask, split: Split, *, keep: Keep = all_of_it
    ) -> Outputs:
        """The outputs of one linearised model: its own vector with coefficient 1."""
        return next(self.outputs([{name: 1.0}], task, split, keep=keep))

    def scores(
        self, rows: Sequence[Coefficients], task: PreparedTask, split: Split
    ) -> list[Scores]:
        """Every row's scores."""
        return self._kept.of_rows(rows, task, split, self.outputs)

    def own_scores(self, name: str, task: PreparedTask, split: Split) -> Scores:
        """The scores of one linearised model."""
        return self.scores([{name: 1.0}], task, split)[0]

    def tau_jp(self, task: PreparedTask, split: Split) -> dict[str, float]:
        """Every vector's tauJp on one task's data."""
        found = self.features(task, split)
        lengths = torch.linalg.vector_norm(found.tangents.double(), dim=-1).mean(-1)
        return dict(zip(found.tasks, lengths.tolist(), strict=True))

    def features(
        self, task: PreparedTask, split: Split, *, layered: bool = False
    ) -> TangentFeatures:
        """f0 and every J tau_t of a split (or J of every layer's part), when first asked for."""
        dataset, key = getattr(task.splits, split), (task.name, split, layered)
        # Another data set under the same name is not what was kept.
        if key not in self._features or self._features[key][0] is not dataset:
            vectors: Mapping[Any, Any] = self._layered if layered else self.vectors
            found = taujp.tangent_features(
                self._classifier.forward_module(),
                None,
                vectors,
                dataset,
                batch_size=self._batch_size,
                workers=self._workers,
            )
            self._features[key] = dataset, found
        return self._features[key][1]

    @cached_property
    def _layered(self) -> dict[tuple[str, str], dict[str, Tensor]]:
        """Every vector's parts by (task, layer)."""
        return by_layer(self._classifier.forward_module(), self.vectors)

    @torch.no_grad()
    def _outputs(self, features: Tensor, task: PreparedTask, keep: Keep) -> Tensor:
        if task.head is None:
            return keep(features).cpu()
        head = copy.deepcopy(task.head).to(features.device)
        with evaluating(head):
            return keep(head(features)).cpu()


def _labels(found: TangentFeatures, task: PreparedTask, split: Split) -> Tensor:
    if found.labels is None:
        raise ValueError(
            f"MergedTangents: the {split} data of '{task.name}' have no labels; expected "
            "(image, label) pairs"
        )
    return found.labels.cpu()
