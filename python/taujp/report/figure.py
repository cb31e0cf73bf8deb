"""The look that all plots share: colours, axes, and how a figure is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# After Okabe and Ito: 3 : 1 on white, and at least 16 apart (CIE 1976) for every kind of colour
# vision. IN_THE_DARK has the same hues for a dark page.
COLOURS = ("#0072b2", "#d55e00", "#009470", "#c2649c", "#6b4a00", "#2e1f6b")
IN_THE_DARK = ("#3d9be9", "#ff8a3c", "#2fd0a0", "#ee8fc4", "#f5e663", "#dcd6ff")
INK, CONTROL = "#222222", "#767676"
DASHES = ("-", "--", ":")  # a colour that comes again comes with another line
LOOK: dict[Any, Any] = {
    "text.parse_math": False,  # a "$" in a name is a "$"
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": CONTROL,
    "grid.alpha": 0.3,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
WRITTEN: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "taujp",
}  # text as text; the same bytes again

Arguments = ParamSpec("Arguments")


def drawn(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Decorates a function that draws a figure: it does so in the look of all plots."""

    @wraps(draw)
    def with_look(*arguments: Arguments.args, **options: Arguments.kwargs) -> Figure:
        import matplotlib

        with matplotlib.rc_context(LOOK):
            return draw(*arguments, **options)

    return with_look


def new_figure(
    panels: int = 1, *, rows: int = 1, size: tuple[float, float], **options: Any
) -> tuple[Figure, list[Axes]]:
    """An empty figure (size in inches) and its panels, row by row, as a list of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    return figure, list(figure.subplots(rows, panels, squeeze=False, **options).ravel())


def line_look(index: int) -> dict[str, Any]:
    """Colour and dashes of the index-th line of a plot."""
    turn, colour = divmod(index, len(COLOURS))
    return {"color": COLOURS[colour], "linestyle": DASHES[turn % len(DASHES)]}


def accuracy_axes(axes: Axes, title: str, below: str, left: str = "accuracy, %") -> None:
    """A percentage upwards, faint lines to read it from, and what is below."""
    axes.set_title(title)
    axes.set_xlabel(below)
    axes.set_ylabel(left)
    axes.set_ylim(0, 103)
    plain_axes(axes)


def plain_axes(axes: Axes) -> None:
    """Two spines, and faint horizontal lines behind what is drawn."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def legend_beside(axes: Axes) -> None:
    """A legend right of the panel, where it hides nothing."""
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes the figure as PNG or whatever the file's ending says."""
    import matplotlib

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    dated: dict[str, Any] = {"metadata": {"Date": None}} if path.suffix == ".svg" else {}
    with matplotlib.rc_context(WRITTEN):
        figure.savefig(path, **dated)
    return path
