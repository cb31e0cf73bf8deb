"""Several ways of fine-tuning in one picture: what each reaches, and how it depends on the
coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from taujp.evaluate.results import Addition
from taujp.report.comparison_table import own_accuracy, zero_shot_accuracy
from taujp.report.figure import (
    COLOURS,
    INK,
    accuracy_axes,
    drawn,
    legend_beside,
    line_look,
    new_figure,
    save_figure,
)
from taujp.report.plot import over_coefficient

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = ("own model each", "added, coefficient 1", "added, tuned")


def plot_comparison(results: Mapping[str, Addition], path: str | Path) -> Path:
    """Left: test accuracy, mean over the tasks, three bars a method. Right: the mean over the
    coefficient on validation data, with the chosen coefficient marked."""
    return save_figure(draw_comparison(results), path)


@drawn
def draw_comparison(results: Mapping[str, Addition]) -> Figure:
    """The figure of plot_comparison."""
    if not results:
        raise ValueError("plot_comparison: no results; expected at least one, by its method's name")
    wide = 1.6 + 1.3 * len(results)
    figure, (bars, curves) = new_figure(
        2, size=(wide + 6.2, 4.2), gridspec_kw={"width_ratios": [wide, 4.2]}
    )
    _draw_bars(bars, results)
    _draw_curves(curves, results)
    return figure


def _draw_bars(axes: Axes, results: Mapping[str, Addition]) -> None:
    accuracy_axes(axes, "mean accuracy of the tasks, test data", "")
    before = 100 * zero_shot_accuracy(next(iter(results.values())).tasks)
    axes.axhline(before, color=INK, linewidth=0.8, linestyle=":", label="pre-trained")
    for index, label in enumerate(BARS):
        heights = [100 * _means(result)[index] for result in results.values()]
        x = [method + 0.27 * (index - 1) for method in range(len(results))]
        bars = axes.bar(x, heights, 0.25, color=COLOURS[index], label=label)
        axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=1)
    axes.set_xticks(range(len(results)), list(results))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, fontsize=8)


def _draw_curves(axes: Axes, results: Mapping[str, Addition]) -> None:
    accuracy_axes(axes, "added: mean accuracy, validation", "coefficient of every task vector")
    for index, (name, result) in enumerate(results.items()):
        x, order = over_coefficient(result)
        y = [100 * point.absolute for point in order]
        look = line_look(index)
        axes.plot(x, y, **look, linewidth=2, label=name)
        if result.chosen.coefficient in x:
            at = x.index(result.chosen.coefficient)
            axes.plot(x[at], y[at], "o", color=look["color"], markersize=6)
    axes.plot([], [], "o", color=INK, markersize=6, linestyle="none", label="chosen")
    legend_beside(axes)


def _means(result: Addition) -> tuple[float, float, float]:
    return own_accuracy(result.tasks), result.one_shot.absolute, result.chosen.absolute
