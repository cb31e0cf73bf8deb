"""The tauJp matrix as a picture and as text: whose vector disturbs whose data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taujp.report.figure import new_figure, save_figure
from taujp.report.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from taujp.tangent.metric import TauJpMatrix


def tau_jp_table(matrix: TauJpMatrix) -> str:
    """A row a task vector, a column a data set; what is off the diagonal is interference."""
    rows = [
        [task, *(f"{value:.3g}" for value in row)]
        for task, row in zip(matrix.tasks, matrix.values, strict=True)
    ]
    return text_table(["tauJp of the vector of, on", *matrix.data], rows)


def plot_tau_jp_matrix(matrices: Mapping[str, TauJpMatrix], path: str | Path) -> Path:
    """One heat map a title, side by side on one logarithmic scale of colours.

    The colours (cividis) grow in lightness for every kind of colour vision; every cell carries
    its number.
    """
    from matplotlib.colors import LogNorm

    positive = [v for one in matrices.values() for row in one.values for v in row if v > 0]
    if not positive:
        raise ValueError(
            f"plot_tau_jp_matrix: the {len(matrices)} matrices hold no number above 0; expected "
            "some; task vectors of models that were fine-tuned have them"
        )
    least, most = min(positive), max(positive)
    scale = LogNorm(least, most if most > least else 2 * least)
    columns = max(len(one.data) for one in matrices.values())
    rows = max(len(one.tasks) for one in matrices.values())
    width = (1.0 + 0.62 * columns) * len(matrices) + 1.0
    figure, panels = new_figure(len(matrices), size=(width, 1.3 + 0.5 * rows), sharey=True)
    for axes, (title, matrix) in zip(panels, matrices.items(), strict=True):
        image = _heat_map(axes, title, matrix, scale)
    panels[0].set_ylabel("task vector of")
    figure.colorbar(image, ax=panels, label="tauJp", shrink=0.9)
    return save_figure(figure, path)


def _heat_map(axes: Axes, title: str, matrix: TauJpMatrix, scale: Any) -> AxesImage:
    """One matrix; cells of 0, which no logarithm has, are as dark as the smallest."""
    shown = [[max(value, scale.vmin) for value in row] for row in matrix.values]
    image = axes.imshow(shown, cmap="cividis", norm=scale, aspect="auto")
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("on the data of")
    axes.set_xticks(range(len(matrix.data)), matrix.data, rotation=35, ha="right", fontsize=9)
    axes.set_yticks(range(len(matrix.tasks)), matrix.tasks, fontsize=9)
    for a, row in enumerate(matrix.values):
        for b, value in enumerate(row):
            light = scale(shown[a][b]) > 0.55
            colour = "black" if light else "white"
            axes.text(b, a, _short(value), ha="center", va="center", color=colour, fontsize=9)
    return image


def _short(value: float) -> str:
    """Two digits, and no power of ten where whole numbers say it."""
    return f"{value:.2g}" if value < 99.5 else f"{value:.0f}"
