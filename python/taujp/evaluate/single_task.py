"""Each task by itself: the pre-trained model and the task's own fine-tuned one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from taujp.evaluate.merged import MergedModels, merged_models
from taujp.evaluate.results import SingleTask
from taujp.train.prepare import PreparedTask


def single_task(
    model: Any,
    finetuned: Mapping[str, Any] | MergedModels,
    tasks: Sequence[PreparedTask],
    *,
    workers: int = 0,
) -> tuple[SingleTask, ...]:
    """Zero-shot and fine-tuned accuracy of every task; what merged models are measured against.

    `finetuned`: for every task's name its checkpoint (path or state dict), or what `merged_models`
    or MergedTangents made of them.
    """
    models = merged_models(model, finetuned, workers=workers)
    check_names(models.names, tasks, operation="single_task")
    return tuple(_one(models, task) for task in tasks)


def _one(models: MergedModels, task: PreparedTask) -> SingleTask:
    return SingleTask(
        task.name,
        models.pretrained(task, "validation"),
        models.pretrained(task, "test"),
        models.finetuned(task.name, task, "validation"),
        models.finetuned(task.name, task, "test"),
    )


def check_names(names: Iterable[str], tasks: Sequence[PreparedTask], *, operation: str) -> None:
    """Every task needs a checkpoint of its name, and every checkpoint its task."""
    wanted, given = {task.name for task in tasks}, set(names)
    if wanted != given or not wanted:
        raise ValueError(
            f"{operation}: checkpoints are for {sorted(given)}, tasks are {sorted(wanted)}; "
            "expected one checkpoint a task under the task's name"
        )
