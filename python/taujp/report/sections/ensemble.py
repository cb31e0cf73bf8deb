"""Several fine-tuned models in one: weights averaged beside probabilities averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taujp.evaluate.results import Ensemble
from taujp.evaluate.task_scores import Scores
from taujp.report.blocks import Block, Section, Table
from taujp.report.runs import Runs, grouped
from taujp.report.spread import mean, over_seeds, percent_spread


def blocks(runs: Runs) -> list[Block]:
    """For each set of tasks a table."""
    groups = grouped(runs.of(Ensemble), lambda one: tuple(task.task for task in one.tasks))
    return [_table(names, found) for names, found in groups.items()]


SECTION = Section(
    "ensemble",
    "Weight average and output ensemble",
    "All fine-tuned models in one: their weights averaged (one model's cost), or their "
    "probabilities averaged (as many times the cost as there are models). Test data.",
    "taujp eval ensemble",
    blocks,
)


def _table(names: Sequence[str], found: Mapping[str, Sequence[Ensemble]]) -> Table:
    rows = []
    for label, results in found.items():
        own = [{task.task: task.finetuned_test for task in one.tasks} for one in results]
        rows.append(_row(f"{label}: own model each", names, own))
        rows.append(_row(f"{label}: weights averaged", names, [r.weight_average for r in results]))
        rows.append(_row(f"{label}: ensemble", names, [r.output_ensemble for r in results]))
    return Table("Test data, %" + over_seeds(found), ["model", *names, "mean"], rows)


def _row(label: str, names: Sequence[str], scores: Sequence[Mapping[str, Scores]]) -> list[str]:
    each = [percent_spread(one[name].accuracy for one in scores) for name in names]
    middle = percent_spread(mean(one[name].accuracy for name in names) for one in scores)
    return [label, *each, middle]
