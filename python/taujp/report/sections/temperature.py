"""Calibration across environments, as it is and at a temperature fitted on validation data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from taujp.evaluate.calibration import Calibration, CalibrationPoint
from taujp.evaluate.environments import Spread
from taujp.report.blocks import Block, Section, Table
from taujp.report.runs import Runs
from taujp.report.spread import number_spread, over_seeds, percent_spread

METRICS = {
    "ece": "ECE",
    "ece_equal_mass": "ECE, equal mass",
    "ace": "ACE",
    "ace_top_label": "ACE, top label",
    "nll": "NLL",
    "brier": "Brier",
}


def blocks(runs: Runs) -> list[Block]:
    """One table: every model of every way, without and with temperature."""
    found = runs.of(Calibration)
    if not found:
        return []
    rows = []
    for label, results in found.items():
        for at, point in enumerate(results[0].points):
            same = [one.points[at] for one in results]
            rows.append(_row(f"{label}: {point.name}", [one.plain for one in same]))
            rows.append(
                _row(f"{label}: {point.name}, at temperature", [one.scaled for one in same])
            )
            rows[-1][1] = _temperatures(same)
    header = ["model", "temperature", "accuracy, %", *METRICS.values()]
    header += ["variance of accuracy", "variance of ECE"]
    caption = "Means and variances over the environments, test data" + over_seeds(found)
    return [Table(caption, header, rows)]


SECTION = Section(
    "temperature",
    "Calibration across environments",
    "Each environment is a data set that the same model is asked about. A temperature divides the "
    "logits; it is fitted on validation data and leaves accuracy as it is. Equal mass: bins with "
    "as many predictions each. Variance: across environments.",
    "taujp eval calibration",
    blocks,
)


def _row(label: str, every: Iterable[Mapping[str, Spread]]) -> list[str]:
    every = list(every)
    means = [number_spread(one[name].mean for one in every) for name in METRICS]
    accuracy = percent_spread(one["accuracy"].mean for one in every)
    variances = [
        number_spread((one[name].variance for one in every), 4) for name in ("accuracy", "ece")
    ]
    return [label, "1", accuracy, *means, *variances]


def _temperatures(points: Iterable[CalibrationPoint]) -> str:
    return number_spread(
        (each.temperature for one in points for each in one.environments.values()), 2
    )
