"""Addition over the coefficient: what was seen on validation data before one was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taujp.evaluate.results import Addition
from taujp.report.blocks import Block, Folded, Plot, Section
from taujp.report.curves import Curve, curve_table, draw_curves
from taujp.report.figure import INK, line_look
from taujp.report.plot import over_coefficient
from taujp.report.runs import Runs, grouped
from taujp.report.sections.addition import names_of
from taujp.report.spread import mean

BELOW = "coefficient of every task vector"
FIRST = "coefficient"


def blocks(runs: Runs) -> list[Block]:
    """For each set of tasks: the ways' means, and each way task by task."""
    made: list[Block] = []
    common = {
        label: kept
        for label, results in runs.of(Addition).items()
        if (kept := [one for one in results if one.scheme == "common"])
    }
    for found in grouped(common, names_of).values():
        alike = {label: _same_coefficients(results) for label, results in found.items()}
        for kind in ("absolute", "normalised"):
            made.append(_plot(runs, alike, kind, f"{kind}-{len(made)}"))
        each = [_by_task(label, one, f"way-{i}") for i, (label, one) in enumerate(alike.items())]
        made.append(Folded("Each way, task by task", each))
    return made


SECTION = Section(
    "sweeps",
    "Coefficient sweeps",
    "Mean accuracy of the sum over the coefficient, on the validation data that chose it. A dot "
    "marks the coefficient chosen (of the first seed); a band spans the seeds.",
    "taujp eval addition",
    blocks,
)


def _same_coefficients(results: Sequence[Addition]) -> list[Addition]:
    """Those that tried what the first tried: means need the same points."""
    first = over_coefficient(results[0])[0]
    return [one for one in results if over_coefficient(one)[0] == first]


def _plot(runs: Runs, found: Mapping[str, Sequence[Addition]], kind: str, name: str) -> Plot:
    curves = {
        label: Curve(
            over_coefficient(results[0])[0],
            [[100 * getattr(p, kind) for p in over_coefficient(one)[1]] for one in results],
            runs.look(label),
            results[0].chosen.coefficient,
        )
        for label, results in found.items()
    }
    title = f"Mean {kind} accuracy over the coefficient"
    says = f"{title}, validation data: one line a way of fine-tuning. {_summit(curves)}"
    left = "accuracy, %" if kind == "absolute" else "accuracy / own accuracy, %"
    table = curve_table(curves, f"{title}, validation data, %.", FIRST)
    return Plot(name, title, says, draw_curves(curves, BELOW, left), table)


def _summit(curves: Mapping[str, Curve]) -> str:
    """Where each line is highest, for those who do not see it."""
    told = []
    for label, curve in curves.items():
        most = max(curve.middle)
        at = curve.x[curve.middle.index(most)]
        told.append(f"{label}: at most {most:.1f} % at {at:g}, {curve.middle[-1]:.1f} % at the end")
    return "; ".join(told) + "."


def _by_task(label: str, results: Sequence[Addition], name: str) -> Plot:
    """One line a task, and the mean."""
    x = over_coefficient(results[0])[0]
    curves = {}
    for index, task in enumerate(names_of(results[0])):
        rows = [
            [100 * point.scores[task].accuracy for point in over_coefficient(one)[1]]
            for one in results
        ]
        curves[task] = Curve(x, rows, line_look(index))
    means = [[100 * point.absolute for point in over_coefficient(one)[1]] for one in results]
    middle = [mean(column) for column in zip(*means, strict=True)]
    curves["mean"] = Curve(x, [middle], {"color": INK}, results[0].chosen.coefficient)
    says = f"{label}: accuracy of every task over the coefficient, validation data."
    table = curve_table(curves, says, FIRST)
    figure = draw_curves(curves, BELOW, "accuracy, %")
    return Plot(name, label, says, figure, table)
