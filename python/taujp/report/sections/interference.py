"""Which vector disturbs which task: tauJp, cosine and measured interference as heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taujp.evaluate.pair_results import Interference, Matrix
from taujp.report.blocks import Block, Plot, Section, Table
from taujp.report.heat_map import as_matrix, draw_matrix, logarithmic
from taujp.report.runs import Runs
from taujp.report.spread import mean
from taujp.tangent.metric import TauJpMatrix

if TYPE_CHECKING:
    from matplotlib.colors import Normalize

ABOUT = {
    "tau_jp": ("tauJp", "on the data of", "cividis"),
    "cosine": ("cosine", "and the vector of", "PuOr"),
    "changed": ("predictions changed", "on the data of", "cividis"),
    "lost": ("accuracy lost", "on the data of", "cividis"),
}


def blocks(runs: Runs) -> list[Block]:
    """One heat map a matrix and way; all of a kind on one scale of colours."""
    found: dict[str, list[Any]] = {}
    for kind in (Interference, TauJpMatrix):
        for label, results in runs.of(kind).items():
            found.setdefault(label, []).extend(results)
    return [plot for name in ABOUT for plot in _plots(name, _matrices(name, found))]


SECTION = Section(
    "matrices",
    "tauJp, cosine and interference between tasks",
    "A row a task vector, a column the data it meets (for the cosine: the other vector). On its "
    "own data a vector has to move the features; elsewhere tauJp foretells interference. Changed: "
    "the share of predictions that adding the vector changes; lost: the accuracy that goes along. "
    "Mean over the seeds; the ways share a scale of colours.",
    "taujp eval interference",
    blocks,
)


def _matrices(name: str, found: Mapping[str, Sequence[Any]]) -> dict[str, Matrix]:
    """The mean over the seeds, by way; ways without such a matrix are left out."""
    kept = {}
    for label, results in found.items():
        every = [matrix for one in results if (matrix := _matrix(name, one)) is not None]
        if every:
            kept[label] = _middle([one for one in every if _names(one) == _names(every[0])])
    return kept


def _matrix(name: str, result: Any) -> Matrix | None:
    if isinstance(result, TauJpMatrix):
        return as_matrix(result) if name == "tau_jp" else None
    matrix: Matrix = getattr(result, name)
    return matrix


def _names(matrix: Matrix) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return matrix.rows, matrix.columns


def _middle(matrices: Sequence[Matrix]) -> Matrix:
    rows = zip(*(one.values for one in matrices), strict=True)
    values = tuple(tuple(mean(cells) for cells in zip(*row, strict=True)) for row in rows)
    return Matrix(matrices[0].rows, matrices[0].columns, values)


def _plots(name: str, matrices: Mapping[str, Matrix]) -> list[Plot]:
    scale = _scale(name, list(matrices.values()))
    words, below, colours = ABOUT[name]
    made = []
    for index, (label, matrix) in enumerate(matrices.items()):
        title = f"{words}: {label}"
        figure = draw_matrix(matrix, words, colours=colours, scale=scale, below=below)
        slug = f"{name.replace('_', '-')}-{index}"
        made.append(Plot(slug, title, _says(title, matrix), figure, _table(title, matrix, below)))
    return made


def _scale(name: str, matrices: Sequence[Matrix]) -> Normalize | None:
    """tauJp by its logarithm, the cosine around 0, shares from their least to their most."""
    from matplotlib.colors import Normalize

    values = [value for one in matrices for row in one.values for value in row]
    if name == "tau_jp" and any(value > 0 for value in values):
        return logarithmic(matrices)
    most = max(map(abs, values), default=1.0) or 1.0
    return Normalize(-most, most) if name == "cosine" else Normalize(min([0.0, *values]), most)


def _says(title: str, matrix: Matrix) -> str:
    """The range on and off the diagonal."""
    cells = [
        (row == column, value)
        for row, values in zip(matrix.rows, matrix.values, strict=True)
        for column, value in zip(matrix.columns, values, strict=True)
    ]
    told = []
    for words, own in (("of a task and itself", True), ("between tasks", False)):
        values = [value for same, value in cells if same is own]
        if values:
            told.append(f"{words} {min(values):.3g} to {max(values):.3g}")
    return f"Heat map. {title}, {'; '.join(told)}."


def _table(title: str, matrix: Matrix, below: str) -> Table:
    rows = [
        [row, *(f"{value:.3g}" for value in values)]
        for row, values in zip(matrix.rows, matrix.values, strict=True)
    ]
    return Table(title + ".", [f"vector of \\ {below}", *matrix.columns], rows)
