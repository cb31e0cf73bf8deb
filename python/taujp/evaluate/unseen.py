"""Unseen tasks: the vectors of some tasks added, and tried on others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from taujp.evaluate.addition import COEFFICIENTS, normalised_mean
from taujp.evaluate.results import Unseen

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels
    from taujp.train.prepare import PreparedTask


def unseen(
    models: MergedModels,
    merged: Sequence[PreparedTask],
    others: Sequence[PreparedTask],
    *,
    coefficients: Sequence[float] = COEFFICIENTS,
) -> Unseen:
    """Does a sum of task vectors help, or harm, tasks that are not in it?

    The coefficient is the best one of addition: by mean normalised accuracy on the validation data
    of the `merged` tasks. The test data of `others` are only reported, with that coefficient and
    with 1, beside the pre-trained model. `models` may hold more vectors than are merged.

    Raises ValueError for a merged task without a vector or with a fine-tuned accuracy of 0, and
    where a task is both merged and unseen, or none is either.
    """
    names = [task.name for task in merged]
    _check(models.names, names, [task.name for task in others], coefficients)
    coefficient = _best(models, merged, coefficients)
    rows = [{}, dict.fromkeys(names, coefficient), dict.fromkeys(names, 1.0)]
    found = {task.name: models.scores(rows, task, "test") for task in others}
    zero_shot, chosen, one_shot = (
        {name: scores[index] for name, scores in found.items()} for index in range(3)
    )
    return Unseen(
        models.mode, models.method, tuple(names), coefficient, zero_shot, chosen, one_shot
    )


def _best(
    models: MergedModels, merged: Sequence[PreparedTask], coefficients: Sequence[float]
) -> float:
    """By mean normalised accuracy on the merged tasks' validation data; of equals the first."""
    rows = [dict.fromkeys([task.name for task in merged], float(c)) for c in coefficients]
    found = {task.name: models.scores(rows, task, "validation") for task in merged}
    reference = {
        task.name: models.own_scores(task.name, task, "validation").accuracy for task in merged
    }
    points = [
        normalised_mean({name: scores[index] for name, scores in found.items()}, reference)
        for index in range(len(rows))
    ]
    return float(coefficients[points.index(max(points))])


def _check(
    names: Sequence[str],
    merged: Sequence[str],
    others: Sequence[str],
    coefficients: Sequence[float],
) -> None:
    both, lacking = sorted({*merged} & {*others}), sorted({*merged} - {*names})
    if lacking or not merged:
        raise ValueError(
            f"unseen: no vectors of {lacking or 'any merged task'}; there are those of "
            f"{list(names)}; expected at least one merged task, each with its checkpoint"
        )
    if both or not others:
        raise ValueError(
            f"unseen: {both or 'none'} of the {len(others)} other tasks are merged too; expected "
            "at least one task, and none of those that are merged"
        )
    if not coefficients:
        raise ValueError("unseen: no coefficients came; expected at least one")
