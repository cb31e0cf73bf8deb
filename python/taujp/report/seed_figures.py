"""The headline figures of addition and negation for each seed, as tables over seeds need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taujp.evaluate.figures import figures
from taujp.evaluate.results import Addition, Negation
from taujp.report.runs import Runs
from taujp.report.spread import mean

Seed = int | None


def additions_by_seed(runs: Runs) -> dict[tuple[str, ...], dict[str, dict[Seed, list[Addition]]]]:
    """By tasks, by label, by seed."""
    groups: dict[tuple[str, ...], dict[str, dict[Seed, list[Addition]]]] = {}
    for label, each in runs.runs_of(Addition).items():
        for run in each:
            result: Any = run.record.result
            tasks = tuple(task.task for task in result.tasks)
            groups.setdefault(tasks, {}).setdefault(label, {}).setdefault(run.seed, []).append(
                result
            )
    return groups


def negations_by_seed(
    runs: Runs,
) -> dict[tuple[str, tuple[str, ...]], dict[str, dict[Seed, list[Negation]]]]:
    """By control and targets, by label: for each seed the negation of every target.

    A seed that lacks a target which the label's other seeds have is left out: its mean would be of
    other tasks.
    """
    groups: dict[tuple[str, tuple[str, ...]], dict[str, dict[Seed, list[Negation]]]] = {}
    for (label, control), seeds in _by_label(runs).items():
        targets = tuple(sorted({one.target for results in seeds.values() for one in results}))
        whole = {seed: results for seed, results in seeds.items() if len(results) == len(targets)}
        if whole:
            groups.setdefault((control, targets), {})[label] = whole
    return groups


def mean_figures(results: Sequence[Addition | Negation]) -> dict[str, float]:
    """The mean over the results of one seed of each figure that all of them have."""
    each = [figures(one) for one in results]
    return {
        name: mean(one[name] for one in each)
        for name in each[0]
        if all(name in one for one in each)
    }


def _by_label(runs: Runs) -> dict[tuple[str, str], dict[Seed, list[Negation]]]:
    found: dict[tuple[str, str], dict[Seed, list[Negation]]] = {}
    for label, each in runs.runs_of(Negation).items():
        for run in each:
            result: Any = run.record.result
            found.setdefault((label, result.control), {}).setdefault(run.seed, []).append(result)
    return found
