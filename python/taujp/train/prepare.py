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
from taujp.train.head_cache import cached_head
from taujp.train.zero_shot import ZeroShotHead, zero_shot_head


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
    tag: str | None = None,
) -> PreparedTask:
    """The task's head and splits for this model; `in_memory` transforms small sets only once.

    tag: what the model was loaded by, as "ViT-B-32:openai"; with it the head is kept on disk
    (head_cache.py) and the text tower runs once.
    """
    head = head_of(task, model, tokenizer, tag=tag)
    splits = task.splits(transform, root=root)
    if in_memory:
        splits = Splits(cached(splits.train), cached(splits.validation), cached(splits.test))
    return PreparedTask(task.name, head, splits)


def head_of(
    task: Task, model: Any, tokenizer: Callable[[list[str]], Tensor], *, tag: str | None = None
) -> ZeroShotHead:
    """The task's zero-shot head; of a model with a tag the one that is kept on disk."""
    if tag is None:
        return zero_shot_head(model, tokenizer, task.classes, task.templates)
    return cached_head(model, tokenizer, task, tag=tag)
