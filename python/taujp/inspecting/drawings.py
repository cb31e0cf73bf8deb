"""Pictures of an inspection: norms, conflicts and overlap by layer, spectra."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from taujp.inspecting.result import Inspection, mean_between
from taujp.report.curves import legend_below
from taujp.report.figure import drawn, line_look, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMES = 40  # of layers under a plot; of more every second, third, ... is named

Lines = Mapping[str, Sequence[float | None]]


def norms_by_part(found: Inspection) -> tuple[str, Lines]:
    """What the lines are, and each model's by layer: relative to theta0 where there is one."""
    relative = [part.relative_norms for part in found.parts]
    if found.base is None:
        return "norm", {m: [p.norms[i] for p in found.parts] for i, m in enumerate(found.models)}
    return "norm / the base's, %", {
        model: [None if one is None else 100 * one[i] for one in relative]
        for i, model in enumerate(found.models)
    }


def conflicts_by_part(found: Inspection) -> Lines:
    """Shares in percent by layer, of all models together."""
    lines: dict[str, list[float | None]] = {
        "conflict": [100 * part.conflict for part in found.parts],
        "cancelled": [100 * part.cancelled for part in found.parts],
    }
    overlaps = [mean_between(p.directions.overlap) if p.directions else None for p in found.parts]
    if any(one is not None for one in overlaps):
        lines["overlap"] = [None if v is None else 100 * v for v in overlaps]
    return lines


def interference_by_part(found: Inspection) -> Lines:
    """The interference of singular directions by layer."""
    values = [p.directions.interference if p.directions else None for p in found.parts]
    return {"interference": values}


def energies(found: Inspection) -> Lines:
    """Of each model the share of the squared norm in its first 1, 2, ... directions, in percent."""
    directions = found.whole.directions
    assert directions is not None
    return {
        model: [100 * share for share in accumulate(directions.shares[i])]
        for i, model in enumerate(found.models)
    }


@drawn
def draw_by_part(names: Sequence[str], lines: Lines, label: str) -> Figure:
    """Lines over the layers; a layer without a value is a gap."""
    figure, (axes,) = new_figure(size=(max(4.8, min(10.0, 2.2 + 0.32 * len(names))), 4.2))
    for index, (name, values) in enumerate(lines.items()):
        y = [math.nan if value is None else value for value in values]
        axes.plot(y, **line_look(index), linewidth=1.6, marker="o", markersize=3, label=name)
    _name_parts(axes, names)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    plain_axes(axes)
    if len(lines) > 1:
        legend_below(figure, len(lines))
    return figure


@drawn
def draw_energies(lines: Lines) -> Figure:
    """The energy of the strongest directions, one line a model."""
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = new_figure(size=(4.8, 4.2))
    for index, (name, values) in enumerate(lines.items()):
        x = range(1, len(values) + 1)
        axes.plot(x, values, **line_look(index), linewidth=1.6, label=name)  # type: ignore[arg-type]
    axes.set_xlabel("strongest singular directions of each matrix")
    axes.set_ylabel("share of the squared norm, %")
    axes.set_ylim(0, 103)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain_axes(axes)
    legend_below(figure, len(lines))
    return figure


def _name_parts(axes: Axes, names: Sequence[str]) -> None:
    step = 1 + (len(names) - 1) // MOST_NAMES
    shown = [_short(name) for name in names][::step]
    axes.set_xticks(
        range(0, len(names), step), shown, rotation=60, ha="right", rotation_mode="anchor"
    )
    axes.set_xlim(-0.5, len(names) - 0.5)


def _short(name: str) -> str:
    """The last two words of a long name: "resblocks.3" of "visual.transformer.resblocks.3"."""
    return name if len(name) <= 18 else ".".join(name.split(".")[-2:])
