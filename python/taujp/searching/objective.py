"""What a search measures: any function of a point, or a merge on the validation data of tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from taujp.searching.result import Trial
from taujp.searching.space import Point, Space


class Objective(Protocol):
    """name: what is measured. identity: what its figures depend on besides the point, as JSON."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> Mapping[str, Any]: ...

    @property
    def space(self) -> Space: ...

    def batches(self, points: Sequence[Point]) -> list[list[Point]]:
        """Points that are measured together, in the order of the points."""
        ...

    def measure(self, points: Sequence[Point]) -> list[Trial]:
        """The trials of one batch."""
        ...


@dataclass(frozen=True)
class OfFunction:
    """The user's own function, one point at a time."""

    function: Callable[[Point], float]
    space: Space

    @property
    def name(self) -> str:
        """The function's own."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    @property
    def identity(self) -> Mapping[str, Any]:
        """The function's name: what is in it, nobody can compare."""
        return {"function": self.name}

    def batches(self, points: Sequence[Point]) -> list[list[Point]]:
        """Each point by itself."""
        return [[point] for point in points]

    def measure(self, points: Sequence[Point]) -> list[Trial]:
        """The function's value at each point."""
        return [self._measured(point) for point in points]

    def _measured(self, point: Point) -> Trial:
        started = time.perf_counter()
        value = checked_value(self.function(dict(point)), point)
        return Trial(point, value, seconds=time.perf_counter() - started)


def checked_value(value: Any, point: Point) -> float:
    """The objective's value as a number; ValueError for NaN and for what is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise ValueError(
            f"search: the objective gave {value!r} at {point}; expected a number; let it give "
            "float('-inf') (or inf, where small is good) for points to be passed over"
        )
    return number
