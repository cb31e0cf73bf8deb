"""The picture of docs/methods.md: every method at coefficient 1 and at its best one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from method_tables.tables import by_method
from taujp.report.figure import COLOURS, CONTROL, drawn, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(figures: Mapping[str, Any], path: Path) -> Path:
    """Writes the picture."""
    return save_figure(_figure(figures), path)


@drawn
def _figure(figures: Mapping[str, Any]) -> Figure:
    found = by_method(figures, "sums")
    best = {name: _shares(runs, "best") for name, runs in found.items()}
    order = sorted(found, key=lambda name: statistics.mean(best[name]))
    figure, (axes,) = new_figure(size=(7.2, 1.4 + 0.27 * len(order)))
    for row, name in enumerate(order):
        pairs = (("default", COLOURS[1], "none"), ("best", COLOURS[0], COLOURS[0]))
        ends = [statistics.mean(_shares(found[name], which)) for which, _, _ in pairs]
        axes.plot(ends, [row, row], color=CONTROL, linewidth=0.8, zorder=1)
        for (which, edge, face), x in zip(pairs, ends, strict=True):
            label = {"default": "at 1", "best": "at the best coefficient"}[which]
            axes.plot(
                x, row, "o", markeredgecolor=edge, markerfacecolor=face, markersize=6,
                label=label if row == 0 else None,
            )  # fmt: skip
            every = _shares(found[name], which)
            axes.plot([min(every), max(every)], [row, row], color=edge, linewidth=2.2)
    zero = statistics.mean(
        100 * r["references"]["zero_shot"]["normalised"] for r in figures.values()
    )
    axes.axvline(zero, color=CONTROL, linestyle=":", label="pre-trained model")
    axes.set_yticks(range(len(order)), order)
    axes.set_xlabel("normalised accuracy of the four tasks on test data, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _shares(runs: Sequence[Mapping[str, Any]], which: str) -> list[float]:
    return [100 * run[which]["normalised"] for run in runs]
