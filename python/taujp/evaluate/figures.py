"""The headline figures of every kind of result, all on test data, by names to show to people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any

from taujp.evaluate.pair_results import Disentanglement, Interference, Matrix
from taujp.evaluate.results import (
    Addition,
    Analogy,
    Ensemble,
    Negation,
    NegationPoint,
    Single,
    SingleTask,
    Subset,
    Subsets,
    Unseen,
)
from taujp.evaluate.task_scores import Scores
from taujp.tangent.metric import TauJpMatrix

METRICS = ("accuracy", "ece", "ace", "nll")


@singledispatch
def figures(result: Any) -> dict[str, float]:
    """{"absolute, one-shot": 0.84, ...}: means over tasks; what a result lacks is left out."""
    raise TypeError(
        f"figures: came a {type(result).__name__}; expected what a protocol of taujp.evaluate "
        "returned"
    )


@figures.register
def _single(result: Single) -> dict[str, float]:
    each = {
        f"accuracy, fine-tuned, {one.task}": one.finetuned_test.accuracy for one in result.tasks
    }
    return {**_before_and_after(result.tasks), **each}


@figures.register
def _addition(result: Addition) -> dict[str, float]:
    found = _before_and_after(result.tasks)
    for name, point in (("one-shot", result.one_shot), ("tuned", result.chosen)):
        found[f"absolute, {name}"] = point.absolute
        found[f"normalised, {name}"] = point.normalised
        found |= _means(point.scores.values(), name, METRICS[1:])
    return found | _coefficient(result.chosen.coefficient)


@figures.register
def _negation(result: Negation) -> dict[str, float]:
    found = _negated(result.before, "before", result.before)
    found |= _negated(result.one_shot, "one-shot", result.before)
    if isinstance(result.chosen, NegationPoint):
        found |= _negated(result.chosen, "tuned", result.before)
        found |= _coefficient(result.chosen.coefficient)
    return found


@figures.register
def _analogy(result: Analogy) -> dict[str, float]:
    points = {
        "zero-shot": result.zero_shot,
        "of c": result.of_c,
        "of d": result.of_d,
        "one-shot": result.one_shot.scores,
        "tuned": result.chosen.scores,
    }
    return _join(_means([one], name) for name, one in points.items() if one is not None)


@figures.register
def _subsets(result: Subsets) -> dict[str, float]:
    return {**_by_size(result.one_shot, "one-shot"), **_by_size(result.chosen, "tuned")}


@figures.register
def _disentanglement(result: Disentanglement) -> dict[str, float]:
    every = [error for row in result.errors for error in row]
    inside = [i for i, value in enumerate(result.coefficients) if 0 <= value <= 1]
    found = {"error, mean": _mean(every), "error, largest": max(every)}
    if inside:
        within = [result.errors[i][j] for i in inside for j in inside]
        found["error, mean for coefficients in [0, 1]"] = _mean(within)
    return found


@figures.register
def _interference(result: Interference) -> dict[str, float]:
    found = _split("tauJp", result.tau_jp)
    others = _off_diagonal(result.cosine)
    found["cosine, size between tasks"] = _mean(abs(value) for value in others)
    for name, matrix in (("changed", result.changed), ("lost", result.lost)):
        found[f"{name}, by other tasks"] = _mean(_off_diagonal(matrix))
    return found


@figures.register
def _unseen(result: Unseen) -> dict[str, float]:
    points = (("zero-shot", result.zero_shot), ("one-shot", result.one_shot))
    found = _join(_means(each.values(), name) for name, each in (*points, ("tuned", result.chosen)))
    return found | _coefficient(result.coefficient)


@figures.register
def _ensemble(result: Ensemble) -> dict[str, float]:
    found = _before_and_after(result.tasks)
    found |= _means(result.weight_average.values(), "weight average")
    return found | _means(result.output_ensemble.values(), "output ensemble")


@figures.register
def _tau_jp(result: TauJpMatrix) -> dict[str, float]:
    return _split("tauJp", Matrix(result.tasks, result.data, result.values))


def _before_and_after(tasks: Iterable[SingleTask]) -> dict[str, float]:
    """Every task by itself: the pre-trained model and the fine-tuned one."""
    tasks = tuple(tasks)
    before = _means([one.zero_shot_test for one in tasks], "zero-shot")
    return before | _means([one.finetuned_test for one in tasks], "fine-tuned")


def _negated(point: NegationPoint, name: str, before: NegationPoint) -> dict[str, float]:
    found = {f"target, {name}": point.target.accuracy, f"control, {name}": point.control.accuracy}
    kept = [
        scores.accuracy / before.others[task].accuracy
        for task, scores in point.others.items()
        if task in before.others and before.others[task].accuracy > 0
    ]
    if kept and point is not before:
        found[f"others kept, {name}"] = _mean(kept)
    return found


def _by_size(subsets: Iterable[Subset], name: str) -> dict[str, float]:
    """Means over the subsets of each size above 0, and over every task for all subsets."""
    subsets = tuple(subsets)
    found = {}
    for size in sorted({len(one.tasks) for one in subsets} - {0}):
        of_size = [one for one in subsets if len(one.tasks) == size]
        told = f"{name}, {size} task{'s' * (size > 1)}"
        found[f"absolute, {told}"] = _mean(one.absolute or 0.0 for one in of_size)
        found[f"normalised, {told}"] = _mean(one.normalised or 0.0 for one in of_size)
    if subsets:
        found[f"absolute of all tasks, {name}"] = _mean(one.all_absolute for one in subsets)
        found[f"normalised of all tasks, {name}"] = _mean(one.all_normalised for one in subsets)
    return found


def _split(name: str, matrix: Matrix) -> dict[str, float]:
    """The means of a task's own data and of the others', where there are such."""
    pairs = [(row, column) for row in matrix.rows for column in matrix.columns]
    flat = [value for row in matrix.values for value in row]
    own = [value for (a, b), value in zip(pairs, flat, strict=True) if a == b]
    parts = {"own data": own, "other data": _off_diagonal(matrix)}
    return {f"{name}, {which}": _mean(values) for which, values in parts.items() if values}


def _off_diagonal(matrix: Matrix) -> list[float]:
    return [
        value
        for row, values in zip(matrix.rows, matrix.values, strict=True)
        for column, value in zip(matrix.columns, values, strict=True)
        if row != column
    ]


def _means(
    scores: Iterable[Scores], name: str, metrics: Iterable[str] = METRICS
) -> dict[str, float]:
    """{"accuracy, <name>": ...}; a metric that any of the scores lacks is left out."""
    scores = tuple(scores)
    columns = {metric: [getattr(one, metric) for one in scores] for metric in metrics}
    return {
        f"{metric}, {name}": _mean(values)
        for metric, values in columns.items()
        if values and None not in values
    }


def _coefficient(value: float | None) -> dict[str, float]:
    return {} if value is None else {"coefficient, tuned": value}


def _join(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    return {name: value for part in parts for name, value in part.items()}


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)
