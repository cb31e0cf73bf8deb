"""What a search tries: values by name, and for which methods a name means anything."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

MOST_POINTS = 1_000_000  # of a grid; more is a mistake, or work for a sampler
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both are whole.

    step: only low, low + step, ... and so what a grid needs. log: a sampler draws their logarithm.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        numbers = [self.low, self.high] + ([] if self.step is None else [self.step])
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
            raise ValueError(f"{self}: expected finite numbers")
        if self.low >= self.high:
            raise ValueError(f"{self}: expected low < high; give a single value as a list: [0.3]")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"{self}: expected a step above 0")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"{self}: log needs low > 0 and no step")

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(x, int) for x in (self.low, self.high, self.step or 1))

    def grid(self, name: str) -> tuple[float, ...]:
        """All its numbers; ValueError without a step."""
        if self.step is None and not self.whole:
            raise ValueError(
                f"search: {name!r} is {self}; a grid needs its points: give a list of values or "
                f"Range(..., step=...), or search by='tpe' or 'random'"
            )
        step = self.step or 1
        # A step of 0.1 does not sum up to 1 exactly: what lies a rounding above `high` is `high`.
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return tuple(min(self.low + i * step, self.high) for i in range(count))


Values: TypeAlias = "Range | tuple[Any, ...]"
Point: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """parts: each name's values. only: names that mean something to some methods alone, and those;
    a point has them where its "method", or `method`, is one of these."""

    parts: Mapping[str, Values]
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    method: str | None = None

    def has(self, name: str, method: str | None) -> bool:
        """Whether points of this method have that name."""
        return name not in self.only or method in self.only[name]

    def points(self) -> list[Point]:
        """The grid of all values; points that only differ in what means nothing to them once."""
        columns = {name: _points_of(name, values) for name, values in self.parts.items()}
        count = math.prod(map(len, columns.values()))
        if count > MOST_POINTS:
            raise ValueError(
                f"search: the grid has {count:,} points; expected at most {MOST_POINTS:,}; give "
                "fewer values, or search by='tpe' or 'random'"
            )
        found: dict[str, Point] = {}
        for row in itertools.product(*columns.values()):
            point = dict(zip(columns, row, strict=True))
            method = point.get("method", self.method)
            kept = {name: value for name, value in point.items() if self.has(name, method)}
            found.setdefault(key_of(kept), kept)
        return list(found.values())

    def suggested(self, trial: Any) -> Point:
        """A point that an Optuna trial suggests; the method first, since others depend on it."""
        point: Point = {}
        for name, values in sorted(self.parts.items(), key=lambda part: part[0] != "method"):
            if self.has(name, point.get("method", self.method)):
                point[name] = _suggested(trial, name, values)
        return {name: point[name] for name in self.parts if name in point}

    def described(self) -> dict[str, Any]:
        """The space in JSON's types."""
        return {
            name: vars(values) if isinstance(values, Range) else list(values)
            for name, values in self.parts.items()
        }


def values_of(space: Mapping[str, Any]) -> dict[str, Values]:
    """What the user wrote, checked: every name with a Range or some values."""
    if not isinstance(space, Mapping) or not space:
        raise ValueError(
            f"search: the space is {space!r}; expected names and their values, such as "
            "{'coefficient': Range(0, 1, 0.05), 'density': [0.1, 0.2]}"
        )
    return {name: _values(name, values) for name, values in space.items()}


def key_of(point: Mapping[str, Any]) -> str:
    """Equal points have equal keys, whatever the order of their names; 1 and 1.0 are equal."""
    numbers = {name: float(v) if type(v) is int else v for name, v in point.items()}
    return json.dumps(numbers, sort_keys=True)


def _values(name: str, values: Any) -> Values:
    coefficient = name.partition(":")[0] == "coefficient"
    if isinstance(values, Range):
        # from 0 to 1 are all numbers between, not those two
        low, high = float(values.low), float(values.high)
        return replace(values, low=low, high=high) if coefficient else values
    given = values.tolist() if hasattr(values, "tolist") else values
    given = [given] if isinstance(given, PLAIN) else given
    if not isinstance(given, Sequence) or not given:
        raise ValueError(f"search: {name!r} is {values!r}; expected a Range or a list of values")
    for value in given:
        bad_number = isinstance(value, float) and not math.isfinite(value)
        if not isinstance(value, PLAIN) or bad_number:
            raise ValueError(
                f"search: {name!r} has the value {value!r}; expected finite numbers, texts, "
                "booleans or None"
            )
        if coefficient and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(
                f"search: {name!r} has the value {value!r}; expected numbers, as 0.1,0.3 or "
                "START:END:COUNT on the command line"
            )
    return tuple(dict.fromkeys(given))


def _points_of(name: str, values: Values) -> tuple[Any, ...]:
    return values.grid(name) if isinstance(values, Range) else values


def _suggested(trial: Any, name: str, values: Values) -> Any:
    if not isinstance(values, Range):
        return trial.suggest_categorical(name, values)
    if values.whole:
        step = int(values.step or 1)
        return trial.suggest_int(name, int(values.low), int(values.high), step=step, log=values.log)
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)
