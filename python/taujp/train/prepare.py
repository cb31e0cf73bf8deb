"""A task made ready for one model: its head from text, and its transformed data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from taujp.data.arrays import cached
from taujp.data.splits import Splits
from taujp.data.task import Task
from taujp.train.zero_shot import zero_shot_head


@dataclass(frozen=True)
class PreparedTask:
    """What fine-tuning and evaluation need of a task: a name, a frozen head and the splits.

    head: from the model's features to logits; None where the model itself gives the outputs.
    scorer: (outputs [n, ...], labels [n]) to a number, larger is better, in place of accuracy and
    calibration; for outputs that are no logits.
    """

    name: str
    head: nn.Module | None
    splits: Splits
    scorer: Callable[[Tensor, Tensor], float] | None = None


def prepare(
    task: Task,
    model: Any,
    tokenizer: Callable[[list[str]], Tensor],
    transform: Callable[[Any], Any],
    *,
    root: str | Path = ".",
    in_memory: bool = False,
) -> PreparedTask:
    """The task's head and splits for this model; `in_memory` transforms small sets only once."""
    head = zero_shot_head(model, tokenizer, task.classes, task.templates)
    splits = task.splits(transform, root=root)
    if in_memory:
        splits = Splits(cached(splits.train), cached(splits.validation), cached(splits.test))
    return PreparedTask(task.name, head, splits)
