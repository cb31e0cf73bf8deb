"""Weight disentanglement: how often two task vectors change each other's predictions.

xi(a1, a2) = sum over t = 1, 2 of the share of x in D_t where
             argmax f(x; theta0 + a_t tau_t) != argmax f(x; theta0 + a1 tau_1 + a2 tau_2)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from taujp.evaluate.labelled_tasks import check_labelled
from taujp.evaluate.outputs import predicted
from taujp.evaluate.pair_results import Disentanglement

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels
    from taujp.train.prepare import PreparedTask

# 21 points of [-3, 3] with an exact 0 among them.
GRID = tuple(3 * step / 10 for step in range(-10, 11))


def disentanglement(
    models: MergedModels,
    first: PreparedTask,
    second: PreparedTask,
    *,
    coefficients: Sequence[float] = GRID,
) -> Disentanglement:
    """The map of xi over a grid of both vectors' coefficients, on test data.

    Nothing is chosen. Ordinary models are evaluated (grid^2 + grid) times a task, linearised ones
    from the features of one pass.
    Source: Ortiz-Jimenez et al. 2023, "Task arithmetic in the tangent space", section 4.

    Raises ValueError where a task has no vector, both are one, or the grid is empty.
    """
    _check(models.names, first.name, second.name, coefficients)
    check_labelled((first, second), operation="disentanglement")
    grid = tuple(float(value) for value in coefficients)
    errors = (
        _changed(models, first, second.name, grid) + _changed(models, second, first.name, grid).T
    )
    rows: list[list[float]] = errors.tolist()
    names = (first.name, second.name)
    return Disentanglement(models.mode, names, grid, tuple(tuple(row) for row in rows))


def _changed(models: MergedModels, task: PreparedTask, other: str, grid: Sequence[float]) -> Tensor:
    """[own coefficient, the other's]: the share of the task's predictions that the other's vector
    changes."""
    alone = [{task.name: own} for own in grid]
    joint = [{task.name: own, other: value} for own in grid for value in grid]
    outputs = models.outputs([*alone, *joint], task, "test", keep=predicted)
    labels = torch.stack([one.values for one in outputs])
    both = labels[len(grid) :].unflatten(0, (len(grid), len(grid)))
    return (both != labels[: len(grid), None]).double().mean(-1)


def _check(names: Sequence[str], first: str, second: str, coefficients: Sequence[float]) -> None:
    missing = sorted({first, second} - set(names))
    if missing:
        raise ValueError(
            f"disentanglement: no vectors of {missing}; there are those of {list(names)}; expected "
            "one of each of the two tasks"
        )
    if first == second:
        raise ValueError(f"disentanglement: both tasks are '{first}'; expected two")
    if not coefficients:
        raise ValueError("disentanglement: no coefficients came; expected at least one")
