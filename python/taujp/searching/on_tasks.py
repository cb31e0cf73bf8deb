"""Merges measured on the validation data of tasks; test data are for the best alone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from taujp.evaluate.addition import addition_point
from taujp.evaluate.merged import MergedModels, Split
from taujp.evaluate.merged_weights import MergedWeights
from taujp.evaluate.provenance import checkpoint_digest
from taujp.evaluate.results import AdditionPoint
from taujp.evaluate.schemes import Scheme
from taujp.evaluate.single_task import check_names
from taujp.searching.merge_space import merge_space, options_at, row_at, told_options
from taujp.searching.objective import checked_value
from taujp.searching.result import Trial
from taujp.searching.space import Point, Values
from taujp.train.prepare import PreparedTask

Measure = Literal["normalised", "absolute", "worst"]


class OnTasks:
    """The mean accuracy over tasks of theta0 + what the method makes of the task vectors.

    measure: "normalised" (accuracy / that of the task's own fine-tuned model), "absolute", or
    "worst", the least normalised accuracy of all tasks.
    """

    def __init__(
        self,
        models: MergedModels,
        tasks: Sequence[PreparedTask],
        values: Mapping[str, Values],
        *,
        scheme: Scheme,
        measure: Measure,
        at_once: int,
    ) -> None:
        check_names(models.names, tasks, operation="search")
        if measure not in get_args(Measure):
            raise ValueError(f"search: measure is {measure!r}; expected one of {get_args(Measure)}")
        if at_once < 1:
            raise ValueError(f"search: at_once is {at_once}; expected at least 1")
        self.models, self.tasks, self._scheme = models, tasks, scheme
        self.space, self._parts = merge_space(models, values, scheme)
        self.name, self._measure, self._at_once = f"{measure} accuracy", measure, at_once

    @property
    def identity(self) -> Mapping[str, Any]:
        """The task vectors, the tasks' data, and what merges them."""
        vectors = {
            name: [checkpoint_digest(term.checkpoint) for term in vector.terms]
            for name, vector in self.models.vectors.items()
        }
        images = {task.name: len(task.splits.validation) for task in self.tasks}  # type: ignore[arg-type]
        merge = {"method": self.models.method, "options": told_options(self.models)}
        return {
            "measure": self.name,
            "mode": self.models.mode,
            "scheme": self._scheme,
            "checkpoints": vectors,
            "validation": images,
            **merge,
        }

    def batches(self, points: Sequence[Point]) -> list[list[Point]]:
        """Points that differ in coefficients alone, at most `at_once`: one pass over the data."""
        alike: dict[str, list[Point]] = {}
        for point in points:
            alike.setdefault(self._merge_of(point), []).append(point)
        return [
            group[first : first + self._at_once]
            for group in alike.values()
            for first in range(0, len(group), self._at_once)
        ]

    def measure(self, points: Sequence[Point]) -> list[Trial]:
        """The points of one batch on validation data."""
        started = time.perf_counter()
        found = self._points(points, "validation")
        seconds = (time.perf_counter() - started) / len(points)
        return [
            Trial(point, checked_value(self._value(one), point), one.scores, seconds)
            for point, one in zip(points, found, strict=True)
        ]

    def test(self, point: Point) -> AdditionPoint:
        """One point on test data."""
        return self._points([point], "test")[0]

    def _points(self, points: Sequence[Point], split: Split) -> list[AdditionPoint]:
        models = self._models_at(points[0])
        rows = [row_at(point, self._parts, self._scheme, models.names) for point in points]
        reference = {
            task.name: self.models.own_scores(task.name, task, split).accuracy
            for task in self.tasks
        }
        by_task = {task.name: models.scores(rows, task, split) for task in self.tasks}
        return [
            addition_point(row, {name: found[i] for name, found in by_task.items()}, reference)
            for i, row in enumerate(rows)
        ]

    def _value(self, point: AdditionPoint) -> float:
        if self._measure == "worst":
            return min(score.accuracy / self._own(name) for name, score in point.scores.items())
        return point.normalised if self._measure == "normalised" else point.absolute

    def _own(self, name: str) -> float:
        task = next(task for task in self.tasks if task.name == name)
        return self.models.own_scores(name, task, "validation").accuracy

    def _merge_of(self, point: Point) -> str:
        """Method and options of a point, as a key."""
        return json.dumps(options_at(point, self.models), sort_keys=True, default=repr)

    def _models_at(self, point: Point) -> MergedModels:
        """The models merged as the point says; the checkpoints are held once for all."""
        method, options = options_at(point, self.models)
        if (method, options) == (self.models.method, dict(self.models.options)):
            return self.models
        assert isinstance(self.models, MergedWeights)  # merge_space refused the others
        return self.models.merging(method, **options)
