"""Lines over a common axis, one a way of fine-tuning: the mean of its seeds and their range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taujp.report.blocks import Table
from taujp.report.figure import accuracy_axes, drawn, new_figure
from taujp.report.spread import mean, number_spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (4.7, 3.6)  # on the narrowest screens its text is still 9 pixels high


@dataclass(frozen=True)
class Curve:
    """x ascending, and one row of y for each seed. `mark`: an x to be pointed out."""

    x: Sequence[float]
    rows: Sequence[Sequence[float]]
    look: Mapping[str, Any]
    mark: float | None = None

    @property
    def middle(self) -> list[float]:
        return [mean(column) for column in zip(*self.rows, strict=True)]


@drawn
def draw_curves(curves: Mapping[str, Curve], below: str, left: str) -> Figure:
    """Percentages: each curve, with its name in a legend underneath."""
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = new_figure(size=SIZE)
    accuracy_axes(axes, "", below, left)
    for label, curve in curves.items():
        _draw(axes, label, curve)
    if all(isinstance(x, int) for curve in curves.values() for x in curve.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(figure, len(curves))
    return figure


def legend_below(figure: Figure, entries: int) -> None:
    """The names under the plot, in as many columns as fit."""
    figure.legend(loc="outside lower center", ncols=2 if entries in (2, 4) else 3)


def curve_table(curves: Mapping[str, Curve], caption: str, first: str) -> Table:
    """The same numbers: a row an x, a column a curve."""
    every = sorted({x for curve in curves.values() for x in curve.x})
    rows = [[f"{x:g}", *(_at(curve, x) for curve in curves.values())] for x in every]
    return Table(caption, [first, *curves], rows)


def _draw(axes: Axes, label: str, curve: Curve) -> None:
    axes.plot(curve.x, curve.middle, **curve.look, linewidth=2, label=label)
    if len(curve.rows) > 1:
        columns = list(zip(*curve.rows, strict=True))
        low, high = [min(column) for column in columns], [max(column) for column in columns]
        axes.fill_between(curve.x, low, high, color=curve.look["color"], alpha=0.18, linewidth=0)
    if curve.mark is not None and curve.mark in curve.x:
        at = list(curve.x).index(curve.mark)
        axes.plot(curve.x[at], curve.middle[at], "o", color=curve.look["color"], markersize=6)


def _at(curve: Curve, x: float) -> str:
    if x not in curve.x:
        return number_spread([])
    at = list(curve.x).index(x)
    return number_spread([row[at] for row in curve.rows], 1)
