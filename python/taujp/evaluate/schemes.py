"""Which coefficients of an addition are tried on validation data.

"common": one for all tasks. "task", "layer": one each; from the best common one on, they are tried
one after another while the others stay (coordinate ascent), `rounds` times round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.results import AdditionPoint

Scheme = Literal["common", "task", "layer"]
Measure = Callable[[Sequence[Coefficients]], list[AdditionPoint]]


def tried_points(
    scheme: Scheme,
    tasks: Sequence[str],
    layers: Sequence[str],
    coefficients: Sequence[float],
    measure: Measure,
    *,
    rounds: int = 1,
) -> list[AdditionPoint]:
    """Every point that the search measured, the common ones first."""
    if scheme not in ("common", "task", "layer"):
        raise ValueError(f"addition: scheme is {scheme!r}; expected 'common', 'task' or 'layer'")
    points = measure([dict.fromkeys(tasks, value) for value in coefficients])
    start = coefficients[points.index(best(points))]
    parts = tasks if scheme == "task" else layers
    numbers = dict.fromkeys(parts, start)
    for part in [] if scheme == "common" else [*parts] * rounds:
        trials = [{**numbers, part: value} for value in coefficients]
        found = measure([_row(scheme, tasks, trial) for trial in trials])
        points += found
        numbers = trials[found.index(best(found))]
    return points


def best(points: Sequence[AdditionPoint]) -> AdditionPoint:
    """The point of best mean normalised accuracy; of equals the first."""
    return max(points, key=lambda point: point.normalised)


def _row(scheme: Scheme, tasks: Sequence[str], numbers: dict[str, float]) -> Coefficients:
    return numbers if scheme == "task" else dict.fromkeys(tasks, numbers)
