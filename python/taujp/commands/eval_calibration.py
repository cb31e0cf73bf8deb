"""`taujp eval calibration`: the arguments, the call, and the table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from taujp.commands.eval_arguments import names, numbers

if TYPE_CHECKING:
    from taujp.commands.eval_inputs import Inputs
    from taujp.evaluate.calibration import Calibration, CalibrationPoint

TITLES = {
    "accuracy": "accuracy",
    "ece": "ECE",
    "ece_equal_mass": "ECE, equal mass",
    "ace": "ACE",
    "ace_top_label": "ACE, top label",
    "nll": "NLL (nats)",
    "brier": "Brier",
}
SHARES = ("accuracy", "ece", "ece_equal_mass", "ace", "ace_top_label")  # shown in percent


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """What calibration takes beyond the checkpoints."""
    text = "common coefficients of all vectors: 0,0.5,1 or FIRST:LAST:COUNT (default 1)"
    parser.add_argument("--coefficients", type=numbers, default=[1.0], metavar="LIST", help=text)
    others = "tasks to look at besides, whose vectors are not added"
    parser.add_argument("--others", type=names, default=[], metavar="A,B", help=others)
    fitted = "one temperature, from these tasks' validation data together (default: each its own)"
    parser.add_argument("--fitted-on", type=names, default=[], metavar="A,B", help=fitted)


def evaluate_calibration(inputs: Inputs, arguments: argparse.Namespace) -> Calibration:
    """The protocol on what the command line gave."""
    from taujp.evaluate.calibration import calibration

    # What is typed for a task may be a path; results have its name.
    return calibration(
        inputs.models,
        list({task.name: task for task in inputs.tasks.values()}.values()),
        coefficients=arguments.coefficients,
        fitted_on=[inputs.tasks[typed].name for typed in arguments.fitted_on],
    )


def calibration_table(result: Calibration) -> str:
    """Every model in every environment; then mean and standard deviation across environments."""
    return "\n\n".join(map(_table, result.points))


def _table(point: CalibrationPoint) -> str:
    from taujp.report.text_table import text_table

    rows = []
    for name, one in point.environments.items():
        rows.append([name, *_cells(one.plain.metrics())])
        rows.append([f"  at temperature {one.temperature:.3g}", *_cells(one.scaled.metrics())])
    if len(point.environments) > 1:
        for label, found in (("", point.plain), (" at temperature", point.scaled)):
            means = {metric: one.mean for metric, one in found.items()}
            deviations = {metric: one.variance**0.5 for metric, one in found.items()}
            rows.append([f"mean{label}", *_cells(means)])
            rows.append([f"deviation{label}", *_cells(deviations)])
    return text_table([f"{point.name}; test, %", *TITLES.values()], rows)


def _cells(found: dict[str, float]) -> list[str]:
    from taujp.report.text_table import percent

    return [
        percent(found[metric]) if metric in SHARES else f"{found[metric]:.3f}" for metric in TITLES
    ]
