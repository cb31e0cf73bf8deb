"""Every task by itself, and all tasks by one model trained on them jointly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from taujp.evaluate.results import Single, SingleTask
from taujp.report.blocks import Block, Section, Table
from taujp.report.runs import Runs, grouped
from taujp.report.spread import mean, over_seeds, percent_spread


def blocks(runs: Runs) -> list[Block]:
    """For each set of tasks a table: a row a way, a column a task."""
    groups = grouped(runs.of(Single), lambda one: tuple(task.task for task in one.tasks))
    return [_table(names, found) for names, found in groups.items()]


SECTION = Section(
    "single",
    "Single tasks and joint training",
    "Accuracy on test data before and after fine-tuning, each task by its own model; trained "
    "jointly: one model for all tasks, the baseline of addition.",
    "taujp eval single",
    blocks,
)


def _table(names: Sequence[str], found: Mapping[str, Sequence[Single]]) -> Table:
    every = [one for results in found.values() for one in results]
    rows = [_row("pre-trained", every, lambda task: task.zero_shot_test.accuracy)]
    for label, results in found.items():
        rows.append(_row(label, results, lambda task: task.finetuned_test.accuracy))
    return Table("Test data, %" + over_seeds(found), ["model", *names, "mean"], rows)


def _row(label: str, results: Sequence[Single], take: Callable[[SingleTask], float]) -> list[str]:
    figures = [[take(task) for task in one.tasks] for one in results]
    each = [percent_spread(column) for column in zip(*figures, strict=True)]
    return [label, *each, percent_spread(mean(values) for values in figures)]
