"""Calibration: whether a model is right as often as it is sure, alone and merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from taujp.evaluate.results import Addition
from taujp.evaluate.task_scores import Scores
from taujp.report.blocks import Block, Section, Table
from taujp.report.reliability import reliability_plot
from taujp.report.runs import Runs
from taujp.report.spread import mean, number_spread, over_seeds, percent_spread

MODELS: dict[str, Callable[[Addition], list[Scores]]] = {
    "own model each": lambda one: [task.finetuned_test for task in one.tasks],
    "one-shot": lambda one: list(one.one_shot.scores.values()),
    "tuned": lambda one: list(one.chosen.scores.values()),
}
METRICS = {"ece": "ECE", "ace": "ACE", "nll": "NLL"}


def blocks(runs: Runs) -> list[Block]:
    """The table of metrics, and a reliability diagram of each kind of model."""
    found = runs.of(Addition)
    if not found:
        return []
    looks = {label: runs.look(label) for label in found}
    plots = [reliability_plot(words, _scores(found, take), looks) for words, take in MODELS.items()]
    return [_table(found), *(plot for plot in plots if plot is not None)]


SECTION = Section(
    "calibration",
    "Calibration",
    "Reliability diagrams: predictions in fifteen ranges of confidence, all tasks and seeds "
    "together; on the dotted line a model is right as often as it is sure, below it is "
    "over-confident. ECE: the mean distance from that line; ACE: the same for every class with "
    "ranges of equal count; NLL: mean cross-entropy, in nats. Means over the tasks, test data.",
    "taujp eval addition",
    blocks,
)


def _table(found: Mapping[str, Sequence[Addition]]) -> Table:
    rows = []
    for label, results in found.items():
        for words, take in MODELS.items():
            right = percent_spread(mean(s.accuracy for s in take(one)) for one in results)
            metrics = [number_spread(_mean(take(one), name) for one in results) for name in METRICS]
            rows.append([f"{label}: {words}", right, *metrics])
    caption = "Mean over the tasks, test data" + over_seeds(found)
    return Table(caption, ["model", "accuracy, %", *METRICS.values()], rows)


def _mean(scores: Sequence[Scores], name: str) -> float | None:
    values = [getattr(one, name) for one in scores]
    return None if None in values else mean(values)


def _scores(
    found: Mapping[str, Sequence[Addition]], take: Callable[[Addition], list[Scores]]
) -> dict[str, list[Scores]]:
    return {label: [s for one in results for s in take(one)] for label, results in found.items()}
