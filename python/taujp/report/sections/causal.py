"""tauJp against the interference measured: whether the one foretells the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from taujp.evaluate.pair_results import Interference, Matrix
from taujp.report.blocks import Block, Plot, Section, Table
from taujp.report.curves import SIZE, legend_below
from taujp.report.figure import drawn, new_figure, plain_axes
from taujp.report.heat_map import plain_numbers
from taujp.report.rank_correlation import rank_correlation
from taujp.report.runs import Runs
from taujp.report.spread import ABSENT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P")
FORETOLD = {"tau-jp": "tauJp", "relative": "relative tauJp"}
MEASURED = {"changed": "predictions changed, %", "lost": "accuracy lost, points"}
Dots = Mapping[str, Sequence[tuple[str, float, float]]]  # by way: names, foretold, measured in %


def blocks(runs: Runs) -> list[Block]:
    """The rank correlations, and a dot for every pair of tasks and seed."""
    found = runs.of(Interference)
    if not found:
        return []
    dots = {
        (foretold, measured): {
            label: _dots(foretold, measured, results) for label, results in found.items()
        }
        for foretold, measured in product(FORETOLD, MEASURED)
    }
    colours = {label: runs.look(label)["color"] for label in found}
    return [_correlations(dots), *(_plot(*names, each, colours) for names, each in dots.items())]


SECTION = Section(
    "causal",
    "tauJp against measured interference",
    "The causal plot: a dot is one task vector on the data of one other task (of one seed). If "
    "tauJp foretells interference, dots rise from left to right. Relative tauJp: divided by the "
    "tauJp of the data's own vector, so that ways whose vectors differ in length compare. The rank "
    "correlation is Spearman's: 1 where the order is the same.",
    "taujp eval interference",
    blocks,
)


def _dots(
    foretold: str, measured: str, results: Sequence[Interference]
) -> list[tuple[str, float, float]]:
    """Every pair of different tasks that both matrices have."""
    dots = []
    for result in results:
        effect: Matrix = getattr(result, measured)
        for row, column in product(result.tau_jp.rows, result.tau_jp.columns):
            first, own = _at(result.tau_jp, row, column), _at(result.tau_jp, column, column)
            second = _at(effect, row, column)
            if row == column or first is None or second is None:
                continue
            if foretold == "tau-jp":
                dots.append((f"{row} on {column}", first, 100 * second))
            elif own:
                dots.append((f"{row} on {column}", first / own, 100 * second))
    return dots


def _at(matrix: Matrix, row: str, column: str) -> float | None:
    if row not in matrix.rows or column not in matrix.columns:
        return None
    return matrix.values[matrix.rows.index(row)][matrix.columns.index(column)]


def _correlations(dots: Mapping[tuple[str, str], Dots]) -> Table:
    labels = list(next(iter(dots.values())))
    rows = [[label, *(_correlation(each[label]) for each in dots.values())] for label in labels]
    together = [[dot for some in each.values() for dot in some] for each in dots.values()]
    rows.append(["all ways together", *map(_correlation, together)])
    header = [f"{FORETOLD[a]} and {MEASURED[b].split(',')[0]}" for a, b in dots]
    caption = f"Rank correlation over {len(together[0])} pairs of tasks."
    return Table(caption, ["way", *header], rows)


def _correlation(dots: Sequence[tuple[str, float, float]]) -> str:
    found = rank_correlation([x for _, x, _ in dots], [y for _, _, y in dots])
    return ABSENT if found is None else f"{found:.2f}"


def _plot(foretold: str, measured: str, dots: Dots, colours: Mapping[str, Any]) -> Plot:
    words, left = FORETOLD[foretold], MEASURED[measured]
    title = f"{words} against {left.split(',')[0]}"
    every = [dot for each in dots.values() for dot in each]
    told = _correlation(every)
    says = f"Scatter plot, {title}: {len(every)} pairs, rank correlation {told} over all ways."
    rows = [
        [f"{label}: {pair}", f"{x:.3g}", f"{y:.1f}"]
        for label, each in dots.items()
        for pair, x, y in each
    ]
    table = Table(f"{title}.", ["vector on data", words, left], rows)
    below = f"{words} of the vector on the other task's data"
    figure = _draw(dots, colours, below, left)
    return Plot(f"{foretold}-{measured}", title, says, figure, table)


@drawn
def _draw(dots: Dots, colours: Mapping[str, Any], below: str, left: str) -> Figure:
    figure, (axes,) = new_figure(size=SIZE)
    for index, (label, each) in enumerate(dots.items()):
        x, y = [dot[1] for dot in each], [dot[2] for dot in each]
        marker = MARKERS[index % len(MARKERS)]
        axes.scatter(x, y, s=26, marker=marker, color=colours[label], alpha=0.8, label=label)
    if all(dot[1] > 0 for each in dots.values() for dot in each):
        axes.set_xscale("log")
    plain_numbers(axes.xaxis)
    axes.set(xlabel=below, ylabel=left)
    plain_axes(axes)
    legend_below(figure, len(dots))
    return figure
