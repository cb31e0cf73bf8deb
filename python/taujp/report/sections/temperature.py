"""Calibration across environments, as it is and at a temperature fitted on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taujp.evaluate.calibration import Calibration, CalibrationPoint
from taujp.evaluate.environments import Spread
from taujp.evaluate.task_scores import Scores
from taujp.report.blocks import Block, Section, Table
from taujp.report.reliability import reliability_plot
from taujp.report.runs import Runs
from taujp.report.spread import number_spread, over_seeds, percent_spread

Points = Mapping[str, Sequence[CalibrationPoint]]
METRICS = {
    "ece": "ECE",
    "ece_equal_mass": "ECE, equal mass",
    "ace": "ACE",
    "ace_top_label": "ACE, top label",
    "nll": "NLL",
    "brier": "Brier",
}


def blocks(runs: Runs) -> list[Block]:
    """A table of every model of every way, without and with temperature; their diagrams."""
    found = {label: _by_model(results) for label, results in runs.of(Calibration).items()}
    if not found:
        return []
    looks = {label: runs.look(label) for label in found}
    models = dict.fromkeys(name for every in found.values() for name in every)
    plots = [
        reliability_plot(f"{name}, all environments", _tested(found, name), looks)
        for name in models
    ]
    caption = "Means and variances over the environments, test data"
    caption += over_seeds({label: next(iter(every.values())) for label, every in found.items()})
    return [_table(found, caption), *(plot for plot in plots if plot is not None)]


SECTION = Section(
    "temperature",
    "Calibration across environments",
    "Each environment is a data set that the same model is asked about. A temperature divides the "
    "logits; it is fitted on validation data and leaves accuracy as it is. Equal mass: bins with "
    "as many predictions each. Variance: across environments.",
    "taujp eval calibration",
    blocks,
)


def _by_model(results: Sequence[Calibration]) -> Points:
    """Each model's points, one a seed."""
    found: dict[str, list[CalibrationPoint]] = {}
    for result in results:
        for point in result.points:
            found.setdefault(point.name, []).append(point)
    return found


def _tested(found: Mapping[str, Points], name: str) -> dict[str, list[Scores]]:
    """The scores of one model of every way, on every environment's test data."""
    return {
        label: [
            each.plain.scores
            for point in every.get(name, ())
            for each in point.environments.values()
        ]
        for label, every in found.items()
    }


def _table(found: Mapping[str, Points], caption: str) -> Table:
    rows = []
    for label, every in found.items():
        for name, points in every.items():
            fitted = [e.temperature for one in points for e in one.environments.values()]
            rows.append(_row(f"{label}: {name}", "1", [one.plain for one in points]))
            told = number_spread(fitted, 2)
            rows.append(_row(f"{label}: {name}, scaled", told, [one.scaled for one in points]))
    header = ["model", "temperature, over tasks too", "accuracy, %", *METRICS.values()]
    return Table(caption, [*header, "variance of accuracy", "variance of ECE"], rows)


def _row(label: str, temperature: str, every: Sequence[Mapping[str, Spread]]) -> list[str]:
    means = [number_spread(one[name].mean for one in every) for name in METRICS]
    accuracy = percent_spread(one["accuracy"].mean for one in every)
    variances = [
        number_spread((one[name].variance for one in every), 4) for name in ("accuracy", "ece")
    ]
    return [label, temperature, accuracy, *means, *variances]
