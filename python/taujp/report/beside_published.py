"""Measured means beside the published ones, where model, tasks and way are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taujp.evaluate.results import Addition, Negation, NegationPoint
from taujp.report.blocks import Block, Table, Text
from taujp.report.published import (
    CHOICES,
    MODELS,
    SOURCE,
    TASKS,
    published_addition,
    published_negation,
)
from taujp.report.spread import mean, percent_spread, signed_points


@dataclass(frozen=True)
class Compared:
    """One published figure and the same measured, once a seed; shares in [0, 1]."""

    way: str
    choice: str
    figure: str
    published: float
    measured: tuple[float, ...]

    @property
    def difference(self) -> float:
        return mean(self.measured) - self.published


def addition_beside_published(
    model: str, results: Mapping[str, Sequence[Addition]]
) -> list[Compared]:
    """Absolute and normalised means; results: by way, one a seed."""
    found = []
    for way, each in results.items():
        tasks = [task.task for task in each[0].tasks]
        for choice in CHOICES:
            known = published_addition(model, way, choice, tasks=tasks)
            if known is None or known.normalised is None:
                continue
            points = [one.one_shot if choice == "one-shot" else one.chosen for one in each]
            absolute = tuple(point.absolute for point in points)
            normalised = tuple(point.normalised for point in points)
            found.append(Compared(way, choice, "absolute", known.absolute, absolute))
            found.append(Compared(way, choice, "normalised", known.normalised, normalised))
    return found


def negation_beside_published(
    model: str, results: Mapping[str, Sequence[Sequence[Negation]]]
) -> list[Compared]:
    """Target and control, each the mean over the eight targets; results: by way, for each seed all
    its targets. A seed where some target has no qualified coefficient does not count."""
    found = []
    for way, seeds in results.items():
        for choice in CHOICES:
            points = []
            for each in seeds:
                targets, control = [one.target for one in each], each[0].control
                known = published_negation(model, way, choice, targets=targets, control=control)
                sure = _qualified(each, choice)
                if known is not None and len(sure) == len(each):
                    points.append((known, sure))
            if not points:
                continue
            known = points[0][0]
            target = tuple(mean(one.target.accuracy for one in sure) for _, sure in points)
            control_ = tuple(mean(one.control.accuracy for one in sure) for _, sure in points)
            found.append(Compared(way, choice, "target", known.target, target))
            found.append(Compared(way, choice, "control", known.control, control_))
    return found


def _qualified(results: Sequence[Negation], choice: str) -> list[NegationPoint]:
    points = [one.one_shot if choice == "one-shot" else one.chosen for one in results]
    return [point for point in points if isinstance(point, NegationPoint)]


def published_block(compared: Sequence[Compared], caption: str) -> Block:
    """The table, or a sentence on why there is none."""
    if not compared:
        return Text(
            "No published figures are known for this model and these tasks; they are for "
            f"{', '.join(MODELS)} with OpenAI's weights on {', '.join(TASKS)}."
        )
    rows = [
        [
            f"{one.way}, {one.choice}, {one.figure}",
            f"{100 * one.published:.1f}",
            percent_spread(one.measured),
            signed_points(one.difference),
        ]
        for one in compared
    ]
    header = ["figure", "published", "measured", "difference, points"]
    return Table(caption, header, rows, note=f"Published: {SOURCE}.")
