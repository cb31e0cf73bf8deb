"""All 2^T sums of T task vectors: how accuracy changes with the number of tasks that are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from taujp.evaluate.addition import addition_point, normalised_mean
from taujp.evaluate.results import SingleTask, Subset, Subsets
from taujp.evaluate.single_task import single_task
from taujp.evaluate.task_scores import Scores

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels, Split
    from taujp.train.prepare import PreparedTask

MOST_TASKS = 16
Names = tuple[str, ...]


def subsets(
    models: MergedModels,
    tasks: Sequence[PreparedTask],
    *,
    coefficients: Sequence[float] = (),
) -> Subsets:
    """Adds every subset of the task vectors and evaluates it on every task's test data.

    All with coefficient 1. With `coefficients`, also with the one of them that is best by mean
    normalised accuracy on the validation data of the subset's own tasks (of equals the first).
    Of ordinary models each sum is one evaluation of every task; of linearised ones all come from
    one pass over the data.

    Raises ValueError as single_task does, and for more than 16 tasks.
    """
    if len(tasks) > MOST_TASKS:
        raise ValueError(
            f"subsets: {len(tasks)} tasks have 2^{len(tasks)} subsets; expected at most "
            f"{MOST_TASKS}; pass fewer tasks"
        )
    alone = single_task(models, tasks).tasks
    every = all_subsets([task.name for task in tasks])
    one_shot = _tested(models, tasks, alone, dict.fromkeys(every, 1.0))
    chosen: tuple[Subset, ...] = ()
    if coefficients:
        picked = _picked(models, tasks, alone, every, coefficients)
        chosen = _tested(models, tasks, alone, picked)
    return Subsets(models.mode, models.method, alone, one_shot, chosen)


def all_subsets(names: Sequence[str]) -> tuple[Names, ...]:
    """The 2^T subsets, small ones first, each in the order of `names`."""
    return tuple(one for size in range(len(names) + 1) for one in combinations(names, size))


def _tested(
    models: MergedModels,
    tasks: Sequence[PreparedTask],
    alone: Sequence[SingleTask],
    coefficients: Mapping[Names, float],
) -> tuple[Subset, ...]:
    """Every subset with its coefficient on all tasks' test data."""
    rows = [dict.fromkeys(names, value) for names, value in coefficients.items()]
    found = {task.name: models.scores(rows, task, "test") for task in tasks}
    reference = _reference(alone, "test")
    return tuple(
        _subset(names, value, {name: scores[index] for name, scores in found.items()}, reference)
        for index, (names, value) in enumerate(coefficients.items())
    )


def _subset(
    names: Names, coefficient: float, scores: Mapping[str, Scores], reference: Mapping[str, float]
) -> Subset:
    every = addition_point({}, scores, reference)
    if not names:
        return Subset((), coefficient, scores, None, None, every.absolute, every.normalised)
    own = addition_point({}, {name: scores[name] for name in names}, reference)
    means = (own.absolute, own.normalised, every.absolute, every.normalised)
    return Subset(names, coefficient, scores, *means)


def _picked(
    models: MergedModels,
    tasks: Sequence[PreparedTask],
    alone: Sequence[SingleTask],
    every: Sequence[Names],
    coefficients: Sequence[float],
) -> dict[Names, float]:
    """Each subset's coefficient; the empty one, in which nothing is added, has 1."""
    reference = _reference(alone, "validation")
    found: dict[tuple[Names, float], dict[str, Scores]] = {}
    for task in tasks:
        points = [(names, float(c)) for names in every if task.name in names for c in coefficients]
        rows = [dict.fromkeys(names, c) for names, c in points]
        for point, scores in zip(points, models.scores(rows, task, "validation"), strict=True):
            found.setdefault(point, {})[task.name] = scores
    normalised = {point: normalised_mean(scores, reference) for point, scores in found.items()}
    picked = dict.fromkeys(every, 1.0)
    for names in every[1:]:
        tried = [normalised[names, float(c)] for c in coefficients]
        picked[names] = float(coefficients[tried.index(max(tried))])
    return picked


def _reference(alone: Sequence[SingleTask], split: Split) -> dict[str, float]:
    """What accuracies are divided by: that of each task's own fine-tuned model, same split."""
    return {one.task: getattr(one, f"finetuned_{split}").accuracy for one in alone}
