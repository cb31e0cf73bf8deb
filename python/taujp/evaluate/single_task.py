"""Each task by itself: the pre-trained model and the task's own fine-tuned one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import taujp
from taujp.evaluate.accuracy import accuracy
from taujp.evaluate.results import SingleTask
from taujp.train.encoder import PREFIX, encoder_weights
from taujp.train.prepare import PreparedTask


def single_task(
    model: Any, finetuned: Mapping[str, Any], tasks: Sequence[PreparedTask], *, workers: int = 0
) -> tuple[SingleTask, ...]:
    """Zero-shot and fine-tuned accuracy of every task; what merged models are measured against.

    `finetuned`: for every task's name its checkpoint (path or state dict).
    """
    check_names(finetuned, tasks, operation="single_task")
    return tuple(_one(model, finetuned[task.name], task, workers) for task in tasks)


def _one(model: Any, checkpoint: Any, task: PreparedTask, workers: int) -> SingleTask:
    splits = (task.splits.validation, task.splits.test)
    before = [accuracy(model, task.head, split, workers=workers) for split in splits]
    # One checkpoint with coefficient 1 is the checkpoint itself, read whatever its format is.
    own = taujp.merge_many([checkpoint], [1.0], method="linear", prefix=PREFIX)
    own = {name: value for name, value in own.items() if name.startswith(PREFIX)}
    with encoder_weights(model, own):
        after = [accuracy(model, task.head, split, workers=workers) for split in splits]
    return SingleTask(task.name, before[0], before[1], after[0], after[1])


def check_names(
    finetuned: Mapping[str, Any], tasks: Sequence[PreparedTask], *, operation: str
) -> None:
    """Every task needs a checkpoint of its name, and every checkpoint its task."""
    wanted, given = {task.name for task in tasks}, set(finetuned)
    if wanted != given or not wanted:
        raise ValueError(
            f"{operation}: checkpoints are for {sorted(given)}, tasks are {sorted(wanted)}; "
            "expected one checkpoint a task under the task's name"
        )
