"""The look that all plots share: colours, axes, and how a figure is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
INK, CONTROL = "#222222", "#888888"


def new_figure(panels: int = 1, *, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """An empty figure (size in inches) and its panels in a row, as a list of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False, **options)[0])


def accuracy_axes(axes: Axes, title: str, below: str) -> None:
    """A percentage upwards, faint lines to read it from, and what is below."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(below)
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0, 103)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)


def legend_beside(axes: Axes) -> None:
    """A legend right of the panel, where it hides nothing."""
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes the figure as PNG or whatever the file's ending says."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
