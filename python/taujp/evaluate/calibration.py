"""How well a model's confidence can be trusted, per environment, before and after temperature
scaling; for merged, edited and invariant models alike.

The tasks of a calibration are its environments: data sets that the same model is asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.environments import EnvironmentCalibration, Spread, calibrate, spreads

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels
    from taujp.evaluate.outputs import Outputs
    from taujp.train.prepare import PreparedTask

ZERO_SHOT, FINE_TUNED = "zero-shot", "fine-tuned"


@dataclass(frozen=True)
class CalibrationPoint:
    """One model on the test data of every environment.

    coefficients: of the task vectors; None where every environment has its own fine-tuned model.
    plain, scaled: {metric: mean and variance across environments}, without and with temperature.
    """

    name: str
    coefficients: Coefficients | None
    environments: Mapping[str, EnvironmentCalibration]
    plain: Mapping[str, Spread]
    scaled: Mapping[str, Spread]


@dataclass(frozen=True)
class Calibration:
    """`fitted_on`: the environments whose pooled validation data gave the one temperature of all;
    empty where each has a temperature of its own."""

    mode: str
    method: str
    fitted_on: tuple[str, ...]
    points: tuple[CalibrationPoint, ...]


def calibration(
    models: MergedModels,
    tasks: Sequence[PreparedTask],
    *,
    coefficients: Sequence[float] = (1.0,),
    fitted_on: Sequence[str] = (),
) -> Calibration:
    """Accuracy, ECE, ACE, NLL and Brier score of the pre-trained model, of the sum of all task
    vectors at every common coefficient, and of each task's own fine-tuned model.

    Temperatures are fitted on validation data, of each task by itself; with `fitted_on`, one for
    all on these tasks' pooled validation data, as where a test environment has none. Tasks without
    a checkpoint in `models` are tested too, and left out of the fine-tuned models' point.
    ValueError: an unknown task in `fitted_on`, tasks whose outputs are no logits, no task.
    """
    _check(tasks, fitted_on)
    own = [task for task in tasks if task.name in models.names]
    rows = [{}, *(dict.fromkeys(models.names, float(value)) for value in coefficients)]
    names = [ZERO_SHOT, *("one-shot" if c == 1 else f"coefficient {c:g}" for c in coefficients)]
    found = {task.name: _both(models, rows, task, fitted_on) for task in tasks}
    points = [
        _point(name, row, {task: both[at] for task, both in found.items()}, fitted_on)
        for at, (name, row) in enumerate(zip(names, rows, strict=True))
    ]
    if not fitted_on and own:
        alone = {
            task.name: (
                models.own(task.name, task, "validation"),
                models.own(task.name, task, "test"),
            )
            for task in own
        }
        points.append(_point(FINE_TUNED, None, alone, ()))
    return Calibration(models.mode, models.method, tuple(fitted_on), tuple(points))


def _both(
    models: MergedModels,
    rows: Sequence[Coefficients],
    task: PreparedTask,
    fitted_on: Sequence[str],
) -> list[tuple[Outputs | None, Outputs]]:
    """(validation, test) outputs for every row; no validation where no temperature needs it."""
    test = list(models.outputs(rows, task, "test"))
    if fitted_on and task.name not in fitted_on:
        return [(None, one) for one in test]
    return list(zip(models.outputs(rows, task, "validation"), test, strict=True))


def _point(
    name: str,
    row: Coefficients | None,
    outputs: Mapping[str, tuple[Outputs | None, Outputs]],
    fitted_on: Sequence[str],
) -> CalibrationPoint:
    validation = {task: one for task, (one, _) in outputs.items() if one is not None}
    test = {task: one for task, (_, one) in outputs.items()}
    environments = calibrate(validation, test, pooled=bool(fitted_on))
    return CalibrationPoint(
        name,
        row,
        environments,
        spreads([each.plain for each in environments.values()]),
        spreads([each.scaled for each in environments.values()]),
    )


def _check(tasks: Sequence[PreparedTask], fitted_on: Sequence[str]) -> None:
    names = [task.name for task in tasks]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"calibration: the tasks are {names}; expected at least one, each once")
    unknown = [name for name in fitted_on if name not in names]
    if unknown:
        raise ValueError(
            f"calibration: fitted_on has {unknown}; expected some of the tasks {names}; their "
            "validation data give the temperature"
        )
    scored = [task.name for task in tasks if task.scorer is not None]
    if scored:
        raise ValueError(
            f"calibration: {scored} have a scorer of their own, so their outputs are no logits; "
            "expected classification tasks; leave them out"
        )
