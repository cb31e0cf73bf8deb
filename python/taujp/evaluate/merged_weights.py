"""Ordinary models added in weight space: one forward pass a coefficient and data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

import taujp
from taujp.evaluate.accuracy import accuracy
from taujp.evaluate.merged import Coefficients, Split
from taujp.train.encoder import PREFIX, encoder_state, encoder_weights
from taujp.train.prepare import PreparedTask


class MergedWeights:
    """f(x; theta0 + sum_t c_t tau_t) of ordinary fine-tuned models, by any merge method.

    Args:
      model: the pre-trained open_clip model. finetuned: {task name: checkpoint}.
      method, options: of taujp.merge_many. merges_at_once: how many merged models are held in
        memory (a ViT-B-32 image encoder is 350 MB, 21 of them 7 GB); None: all.
    """

    mode = "standard"

    def __init__(
        self,
        model: Any,
        finetuned: Mapping[str, Any],
        *,
        method: str = "task_arithmetic",
        merges_at_once: int | None = None,
        workers: int = 0,
        **options: Any,
    ) -> None:
        self.names = tuple(finetuned)
        self.method: str = method
        self.options: Mapping[str, Any] = options
        self._model, self._checkpoints = model, dict(finetuned)
        self._at_once, self._workers = merges_at_once, workers

    def pretrained(self, task: PreparedTask, split: Split) -> float:
        """The accuracy of the model as it is."""
        return self._accuracy(task, split)

    def finetuned(self, name: str, task: PreparedTask, split: Split) -> float:
        """The accuracy of one checkpoint as it is."""
        # One checkpoint with coefficient 1 is the checkpoint itself, read whatever its format is.
        own = taujp.merge_many([self._checkpoints[name]], [1.0], method="linear", prefix=PREFIX)
        own = {key: value for key, value in own.items() if key.startswith(PREFIX)}
        with encoder_weights(self._model, own):
            return self._accuracy(task, split)

    def sums(
        self, rows: Sequence[Coefficients], tasks: Sequence[PreparedTask], split: Split
    ) -> Iterator[dict[str, float]]:
        """Every task's accuracy for one row of coefficients after another."""
        for state in self._states(rows):
            with encoder_weights(self._model, state):
                yield {task.name: self._accuracy(task, split) for task in tasks}

    def _states(self, rows: Sequence[Coefficients]) -> Iterator[dict[str, Tensor]]:
        """The merged encoders, `merges_at_once` of them from one read of the checkpoints."""
        unknown = sorted({name for row in rows for name in row} - set(self.names))
        if unknown:
            raise ValueError(
                f"MergedWeights: no checkpoints of {unknown}; there are those of {list(self.names)}"
            )
        base = encoder_state(self._model)
        step = self._at_once or len(rows)
        checkpoints = list(self._checkpoints.values())
        for start in range(0, len(rows), step):
            coefficients = [
                [float(row.get(name, 0.0)) for name in self.names]
                for row in rows[start : start + step]
            ]
            yield from taujp.merge_many(
                checkpoints,
                coefficients,
                base=base,
                prefix=PREFIX,
                method=self.method,
                **self.options,
            )

    def _accuracy(self, task: PreparedTask, split: Split) -> float:
        return accuracy(self._model, task.head, getattr(task.splits, split), workers=self._workers)
