"""Disentanglement maps: what two vectors together change that each alone does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from taujp.evaluate.pair_results import Disentanglement
from taujp.report.blocks import Block, Folded, Plot, Section, Table
from taujp.report.figure import drawn, new_figure
from taujp.report.heat_map import colour_bar
from taujp.report.runs import Runs, grouped
from taujp.report.spread import mean, number_spread, over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Map = Sequence[Sequence[float]]


def blocks(runs: Runs) -> list[Block]:
    """For each pair of tasks: figures of every way, and its maps on one scale of colours."""
    made: list[Block] = []
    for tasks, found in grouped(runs.of(Disentanglement), lambda one: one.tasks).items():
        made.append(_summary(tasks, found))
        maps = {label: _middle(results) for label, results in found.items()}
        most = max(value for errors in maps.values() for row in errors for value in row)
        plots = [
            _plot(label, found[label][0], errors, most, f"map-{len(made)}-{index}")
            for index, (label, errors) in enumerate(maps.items())
        ]
        made += plots
        data = [_data(label, found[label][0], errors) for label, errors in maps.items()]
        made.append(Folded(f"The maps of {' and '.join(tasks)} as numbers", data))
    return made


SECTION = Section(
    "disentanglement",
    "Weight disentanglement",
    "Two task vectors added with their own coefficients: the share of predictions on the data of "
    "each task that the other's vector changes, summed over both (0 is best, 2 the most). The box "
    "holds the coefficients from 0 to 1. Mean over the seeds.",
    "taujp eval disentanglement",
    blocks,
)


def _middle(results: Sequence[Disentanglement]) -> list[list[float]]:
    """The mean map of the seeds that have the first one's coefficients."""
    same = [one.errors for one in results if one.coefficients == results[0].coefficients]
    rows = zip(*same, strict=True)
    return [[mean(cells) for cells in zip(*row, strict=True)] for row in rows]


def _summary(tasks: tuple[str, str], found: Mapping[str, Sequence[Disentanglement]]) -> Table:
    rows = [
        [
            label,
            number_spread([_at_one(one) for one in results]),
            number_spread([_over(one, 0, 1) for one in results]),
            number_spread([_over(one, -3, 3) for one in results]),
        ]
        for label, results in found.items()
    ]
    header = ["way", "at (1, 1)", "mean in [0, 1]", "mean of the map"]
    caption = f"Disentanglement error of {tasks[0]} and {tasks[1]}, 0 to 2"
    return Table(caption + over_seeds(found), header, rows)


def _at_one(result: Disentanglement) -> float | None:
    """At the grid's coefficients nearest to 1, if they are within a tenth."""
    near = [abs(value - 1) for value in result.coefficients]
    at = near.index(min(near))
    return result.errors[at][at] if near[at] < 0.1 + 1e-9 else None


def _over(result: Disentanglement, low: float, high: float) -> float | None:
    inside = [i for i, value in enumerate(result.coefficients) if low <= value <= high]
    return mean(result.errors[i][j] for i in inside for j in inside) if inside else None


def _plot(label: str, result: Disentanglement, errors: Map, most: float, name: str) -> Plot:
    first, second = result.tasks
    title = f"{label}: {first} and {second}"
    flat = [value for row in errors for value in row]
    says = (
        f"Heat map of the disentanglement error, {title}: {min(flat):.3f} to {max(flat):.3f}, "
        f"mean {mean(flat):.3f}, over coefficients from {result.coefficients[0]:g} to "
        f"{result.coefficients[-1]:g} of both vectors."
    )
    header = ["figure", "error"]
    rows = [[words, f"{value:.3f}"] for words, value in (
        ("least", min(flat)), ("mean", mean(flat)), ("most", max(flat)))]  # fmt: skip
    table = Table(f"{title}, in short; every number is below the maps.", header, rows)
    return Plot(name, title, says, _draw(result, errors, most), table)


def _data(label: str, result: Disentanglement, errors: Map) -> Table:
    rows = [
        [f"{coefficient:g}", *(f"{value:.3f}" for value in row)]
        for coefficient, row in zip(result.coefficients, errors, strict=True)
    ]
    first, second = result.tasks
    header = [f"{first} \\ {second}", *(f"{value:g}" for value in result.coefficients)]
    return Table(f"{label}: coefficient of {first} down, of {second} across.", header, rows)


@drawn
def _draw(result: Disentanglement, errors: Map, most: float) -> Figure:
    from matplotlib.patches import Rectangle

    figure, (axes,) = new_figure(size=(4.7, 3.9))
    x = list(result.coefficients)
    across = [list(column) for column in zip(*errors, strict=True)]  # tasks[0] to the right
    mesh = axes.pcolormesh(
        x, x, across, cmap="cividis", vmin=0, vmax=most or 1, edgecolors="face", linewidth=0.4
    )
    axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="white", linewidth=1.5))
    axes.set(
        xlabel=f"coefficient of {result.tasks[0]}",
        ylabel=f"coefficient of {result.tasks[1]}",
        aspect="equal",
    )
    colour_bar(figure, mesh, axes, "disentanglement error")
    return figure
