"""Matrices between tasks as pictures and as text: whose vector disturbs whose data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from taujp.evaluate.pair_results import Matrix
from taujp.report.figure import drawn, new_figure, save_figure
from taujp.report.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

    from taujp.tangent.metric import TauJpMatrix

AnyMatrix: TypeAlias = "Matrix | TauJpMatrix"


def as_matrix(matrix: AnyMatrix) -> Matrix:
    """A tauJp matrix as the results of taujp.evaluate have it."""
    if isinstance(matrix, Matrix):
        return matrix
    return Matrix(matrix.tasks, matrix.data, matrix.values)


def tau_jp_table(matrix: AnyMatrix) -> str:
    """A row a task vector, a column a data set; what is off the diagonal is interference."""
    matrix = as_matrix(matrix)
    rows = [
        [task, *(f"{value:.3g}" for value in row)]
        for task, row in zip(matrix.rows, matrix.values, strict=True)
    ]
    return text_table(["tauJp of the vector of, on", *matrix.columns], rows)


def plot_tau_jp_matrix(matrices: Mapping[str, AnyMatrix], path: str | Path) -> Path:
    """One heat map a title, side by side on one logarithmic scale of colours.

    The colours (cividis) grow in lightness for every kind of colour vision; every cell carries
    its number.
    """
    return save_figure(draw_tau_jp(matrices), path)


@drawn
def draw_tau_jp(matrices: Mapping[str, AnyMatrix]) -> Figure:
    """The figure of plot_tau_jp_matrix."""
    known = {title: as_matrix(matrix) for title, matrix in matrices.items()}
    scale = logarithmic(known.values())
    columns = max(len(one.columns) for one in known.values())
    rows = max(len(one.rows) for one in known.values())
    width = (1.0 + 0.62 * columns) * len(known) + 1.0
    figure, panels = new_figure(len(known), size=(width, 1.3 + 0.5 * rows), sharey=True)
    for axes, (title, matrix) in zip(panels, known.items(), strict=True):
        mesh = _cells(axes, title, matrix, "cividis", scale)
    panels[0].set_ylabel("task vector of")
    colour_bar(figure, mesh, panels, "tauJp")
    return figure


@drawn
def draw_matrix(matrix: Matrix, label: str, *, colours: str, scale: Any, below: str) -> Figure:
    """One matrix by itself; a `scale` that several share makes them comparable."""
    size = (2.4 + 0.55 * len(matrix.columns), 1.5 + 0.45 * len(matrix.rows))
    figure, (axes,) = new_figure(size=size)
    mesh = _cells(axes, "", matrix, colours, scale, below)
    axes.set_ylabel("task vector of")
    colour_bar(figure, mesh, axes, label)
    return figure


def colour_bar(figure: Figure, mesh: QuadMesh, beside: Any, label: str) -> None:
    """What the colours mean, in plain numbers."""
    bar = figure.colorbar(mesh, ax=beside, label=label)
    plain_numbers(bar.ax.yaxis)
    bar.outline.set_visible(False)


def plain_numbers(axis: Axis) -> None:
    """Ticks without powers of ten; on a logarithmic axis at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter("{x:g}")


def logarithmic(matrices: Iterable[Matrix]) -> Any:
    """A logarithmic scale that holds every positive value of the matrices."""
    from matplotlib.colors import LogNorm

    matrices = list(matrices)
    positive = [v for one in matrices for row in one.values for v in row if v > 0]
    if not positive:
        raise ValueError(
            f"plot_tau_jp_matrix: the {len(matrices)} matrices hold no number above 0; expected "
            "some; task vectors of models that were fine-tuned have them"
        )
    least, most = min(positive), max(positive)
    return LogNorm(least, most if most > least else 2 * least)


def _cells(
    axes: Axes, title: str, matrix: Matrix, colours: str, scale: Any, below: str = "on the data of"
) -> QuadMesh:
    """One matrix; cells below the scale, as 0 is to a logarithm, are as dark as its least."""
    shown = [[max(value, scale.vmin) for value in row] for row in matrix.values]
    mesh = axes.pcolormesh(shown, cmap=colours, norm=scale, edgecolors="face", linewidth=0.4)
    axes.set_ylim(len(matrix.rows), 0)
    axes.set_title(title)
    axes.set_xlabel(below)
    middle = [index + 0.5 for index in range(max(len(matrix.columns), len(matrix.rows)))]
    axes.set_xticks(middle[: len(matrix.columns)], matrix.columns, rotation=35, ha="right")
    axes.set_yticks(middle[: len(matrix.rows)], matrix.rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for a, row in enumerate(matrix.values):
        for b, value in enumerate(row):
            ink = _readable_on(mesh.cmap(scale(shown[a][b])))
            axes.text(
                b + 0.5, a + 0.5, _short(value), ha="center", va="center", color=ink, fontsize=9
            )
    return mesh


def _readable_on(colour: tuple[float, float, float, float]) -> str:
    """Black or white, whichever stands out more from the colour (WCAG's relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if luminance > 0.179 else "white"


def _short(value: float) -> str:
    """Two digits, and no power of ten where whole numbers say it."""
    return f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"
