"""What a model gives for a data set, and how it is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from taujp.evaluate.metrics import scores
from taujp.evaluate.task_scores import Scores

Keep: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Outputs:
    """values [n, ...], in the order of the data set, and its labels [n]; both on the CPU."""

    values: Tensor
    labels: Tensor


def all_of_it(values: Tensor) -> Tensor:
    """Keeps a batch's outputs as they are."""
    return values


def predicted(values: Tensor) -> Tensor:
    """Keeps the predicted classes int64 [n] of logits [n, classes]."""
    return values.argmax(-1)


def score(
    outputs: Outputs,
    scorer: Callable[[Tensor, Tensor], float] | None,
    *,
    reliability: bool = False,
) -> Scores:
    """All metrics of logits; of a task with a scorer of its own, what that gives."""
    if scorer is None:
        return scores(outputs.values, outputs.labels, reliability=reliability)
    return Scores(float(scorer(outputs.values, outputs.labels)), len(outputs.labels))
