"""Ordinary models added in weight space: the live model is edited, the data are loaded once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import taujp
from taujp.evaluate.classifier import classifier_of
from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.data_pass import run_over
from taujp.evaluate.kept_scores import KeptScores
from taujp.evaluate.live_weights import LiveWeights
from taujp.evaluate.merged import Split
from taujp.evaluate.outputs import Keep, Outputs, all_of_it
from taujp.evaluate.task_scores import Scores
from taujp.train.prepare import PreparedTask


class MergedWeights:
    """f(x; theta0 + sum_t c_t tau_t) of ordinary fine-tuned models, by any merge method.

    The model, its heads and the checkpoints are loaded once; each coefficient is an edit of the
    model's own weights, which are theta0 again after every call.

    Args:
      model: the pre-trained model, as `classifier_of` takes it. finetuned: {task name: checkpoint}.
      method, options: of taujp.merge_many. images_at_once: inputs held in memory while all
        coefficients take turns (600 MB for 1024 of 224 x 224).
    """

    mode = "standard"

    def __init__(
        self,
        model: Any,
        finetuned: Mapping[str, Any],
        *,
        method: str = "task_arithmetic",
        batch_size: int = 128,
        workers: int = 0,
        images_at_once: int = 1024,
        **options: Any,
    ) -> None:
        self.names = tuple(finetuned)
        self.method: str = method
        self.options: Mapping[str, Any] = options
        self._classifier = classifier_of(model)
        self._weights = LiveWeights(self._classifier, finetuned, method, options)
        self._batch_size, self._workers = batch_size, workers
        self._images_at_once = images_at_once
        self._kept, self._kept_own = KeptScores(), KeptScores()

    def merging(self, method: str, **options: Any) -> MergedWeights:
        """The same checkpoints, held once, merged by another method or with other options."""
        other = copy.copy(self)
        other.method, other.options = method, options
        other._weights = self._weights.merging(method, options)
        other._kept = KeptScores()
        return other

    @property
    def layers(self) -> tuple[str, ...]:
        """The groups of weights that may have coefficients of their own."""
        return tuple(self._weights.layers)

    @property
    def vectors(self) -> Mapping[str, taujp.TaskVector]:
        """The task vectors by their tasks."""
        return self._weights.vectors

    def outputs(
        self,
        rows: Sequence[Coefficients],
        task: PreparedTask,
        split: Split,
        *,
        keep: Keep = all_of_it,
    ) -> Iterator[Outputs]:
        """Every row's outputs, from one pass over the data; held in memory until all are there."""
        yield from self._run(self._weights.edits(rows), task, split, keep)

    def own(
        self, name: str, task: PreparedTask, split: Split, *, keep: Keep = all_of_it
    ) -> Outputs:
        """The outputs of one checkpoint as it is."""
        return self._run([lambda: self._weights.write_own(name)], task, split, keep)[0]

    def scores(
        self, rows: Sequence[Coefficients], task: PreparedTask, split: Split
    ) -> list[Scores]:
        """Every row's scores."""
        return self._kept.of_rows(rows, task, split, self.outputs)

    def own_scores(self, name: str, task: PreparedTask, split: Split) -> Scores:
        """The scores of one checkpoint as it is."""
        compute = [name]
        return self._kept_own.of(compute, task, split, lambda _: [self.own(name, task, split)])[0]

    def tau_jp(self, task: PreparedTask, split: Split) -> dict[str, float]:
        """Every vector's tauJp on one task's data, of the model linearised at theta0."""
        module, data = self._classifier.forward_module(), {task.name: getattr(task.splits, split)}
        found = taujp.tau_jp_matrix(module, None, self.vectors, data, workers=self._workers)
        return {name: found.value(name, task.name) for name in self.names}

    def _run(
        self,
        edits: Sequence[Callable[[], None]],
        task: PreparedTask,
        split: Split,
        keep: Keep,
    ) -> list[Outputs]:
        dataset = getattr(task.splits, split)
        try:
            return run_over(
                self._classifier,
                task.head,
                dataset,
                edits,
                keep=keep,
                batch_size=self._batch_size,
                workers=self._workers,
                images_at_once=self._images_at_once,
            )
        finally:
            self._weights.restore()
