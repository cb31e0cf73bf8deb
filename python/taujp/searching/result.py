"""What a search found: every point that was tried, the best of them, and that one on test data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taujp.evaluate.record import Cost
from taujp.evaluate.results import AdditionPoint
from taujp.evaluate.task_scores import Scores


@dataclass(frozen=True)
class Trial:
    """One point: its values, and what the objective gives there. `scores`: on validation data, by
    task; none where the objective is a function."""

    values: Mapping[str, Any]
    value: float
    scores: Mapping[str, Scores] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Search:
    """`best` is the trial of the largest value (the smallest, where not `maximise`); of equals the
    first. `test`: the best on test data, where the objective is a merge on tasks; nothing was
    chosen by it. method, options: those of every point that does not say otherwise.

    cost: of this process; trials of other machines and of earlier runs have their seconds.
    """

    objective: str
    maximise: bool
    by: str
    space: Mapping[str, Any]
    trials: tuple[Trial, ...]
    best: Trial
    test: AdditionPoint | None
    method: str | None
    options: Mapping[str, Any]
    cost: Cost


def best_of(trials: tuple[Trial, ...], *, maximise: bool) -> Trial:
    """The best trial; of equals the first."""
    sign = 1.0 if maximise else -1.0
    return max(trials, key=lambda trial: sign * trial.value)
