"""Each task by itself: the pre-trained model and the task's own fine-tuned one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taujp.evaluate.merged import MergedModels
from taujp.evaluate.results import Single, SingleTask
from taujp.train.prepare import PreparedTask


def single_task(models: MergedModels, tasks: Sequence[PreparedTask]) -> Single:
    """Zero-shot and fine-tuned scores of every task; what merged models are measured against.

    Every task needs a checkpoint under its name in `models` (of `merged_models`).
    """
    check_names(models.names, tasks, operation="single_task")
    return Single(models.mode, tuple(_one(models, task) for task in tasks))


def _one(models: MergedModels, task: PreparedTask) -> SingleTask:
    return SingleTask(
        task.name,
        models.scores([{}], task, "validation")[0],
        models.scores([{}], task, "test")[0],
        models.own_scores(task.name, task, "validation"),
        models.own_scores(task.name, task, "test"),
    )


def check_names(names: Iterable[str], tasks: Sequence[PreparedTask], *, operation: str) -> None:
    """Every task needs a checkpoint of its name, and every checkpoint its task."""
    wanted, given = {task.name for task in tasks}, set(names)
    if wanted != given or not wanted:
        raise ValueError(
            f"{operation}: checkpoints are for {sorted(given)}, tasks are {sorted(wanted)}; "
            "expected one checkpoint a task under the task's name"
        )
