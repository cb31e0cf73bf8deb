"""An inspection as one page: tables, heat maps, lines over the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taujp.evaluate.pair_results import Matrix
from taujp.inspecting.drawings import (
    Lines,
    conflicts_by_part,
    draw_by_part,
    draw_energies,
    energies,
    interference_by_part,
    norms_by_part,
)
from taujp.inspecting.result import Inspection
from taujp.inspecting.table import HEADER, cells, cosines_of, model_rows, vector_of
from taujp.report.blocks import Block, Folded, Plot, Table
from taujp.report.heat_map import draw_matrix
from taujp.report.rendering import rendered
from taujp.report.text_table import percent
from taujp.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG = 30  # rows; a longer table is shown when asked for


@dataclass(frozen=True)
class Shown:
    """A section of the page."""

    id: str
    title: str
    says: str
    blocks: Sequence[Block]


def write_inspection(found: Inspection, out: str | Path, *, title: str = "") -> Path:
    """Draws the page; it needs no network and nothing beside it."""
    return write_whole(inspection_page(found, title=title), out, "inspect")


def inspection_page(found: Inspection, *, title: str = "") -> str:
    """The page's HTML."""
    count = len(found.models)
    source = f"{count} checkpoint{'s' * (count > 1)}"
    source += " by themselves" if found.base is None else f" and the base {found.base}"
    sections = [one for one in (_models(found), _layers(found), _directions(found)) if one.blocks]
    return rendered(
        "sections.html", title=title or "Before merging", source=source, sections=sections
    )


def _models(found: Inspection) -> Shown:
    header = [vector_of(found), "norm", "relative, %", "changed, %", "stable rank", "energy, %"]
    directions, note = found.whole.directions, ""
    if directions is not None:
        note = f"Energy: the share of the squared norm in the strongest {directions.k} directions."
    blocks: list[Block] = [Table("The models", header, model_rows(found), note)]
    if len(found.models) > 1:
        blocks.append(_heat_map("cosine", "Cosines", found, cosines_of(found)))
    return Shown(
        "models",
        "Models",
        f"The {'models' if found.base is None else 'task vectors'} as a whole. Orthogonal ones "
        "(cosine 0) are in each other's way least; a vector of a much larger norm outweighs the "
        "others in a sum.",
        blocks,
    )


def _layers(found: Inspection) -> Shown:
    rows = [[part.name, *cells(part)] for part in (*found.parts, found.whole)]
    label, norms = norms_by_part(found)
    by_chance = 1 - 2.0 ** (1 - len(found.models))
    blocks: list[Block] = [_lines("norms", f"Norms by {found.by}", found, norms, label)]
    if len(found.models) > 1:
        conflicts = conflicts_by_part(found)
        blocks.append(_lines("conflicts", f"Conflicts by {found.by}", found, conflicts, "%"))
    table = Table(f"By {found.by}: means over the models", [found.by, *HEADER], rows)
    blocks.append(table if len(rows) <= LONG else Folded(f"The table by {found.by}", [table]))
    return Shown(
        "layers",
        "Layers",
        "Conflict: of the elements that at least two models change, the share where they differ "
        f"in sign (of {len(found.models)} random vectors {percent(by_chance)}). Cancelled: the "
        "share of all change that is lost when the vectors are added. Overlap: of the strongest "
        "directions.",
        blocks,
    )


def _directions(found: Inspection) -> Shown:
    directions, blocks = found.whole.directions, list[Block]()
    if directions is not None:
        spectra = energies(found)
        first = [str(count + 1) for count in range(directions.k)]
        data = _table("Energy of the strongest directions, %", "model", first, spectra)
        says = _says("Energy over the number of directions", spectra)
        blocks.append(Plot("energy", "Spectra", says, draw_energies(spectra), data))
    if directions is not None and len(found.models) > 1:
        overlap = Matrix(found.models, found.models, directions.overlap)
        blocks.append(_heat_map("overlap", "Overlap of the strongest directions", found, overlap))
        lines = interference_by_part(found)
        title = f"Interference of singular directions by {found.by}"
        blocks.append(_lines("interference", title, found, lines, "interference"))
    return Shown(
        "directions",
        "Singular directions",
        f"Means over the matrices, of the strongest {directions.k if directions else 0} directions "
        "of each. Overlap 1: the same subspace, 0: orthogonal ones. Interference: what remains of "
        "the directions' strengths between models that are not orthogonal, as a part of them.",
        blocks,
    )


def _lines(name: str, title: str, found: Inspection, lines: Lines, label: str) -> Plot:
    names = [part.name for part in found.parts]
    figure: Figure = draw_by_part(names, lines, label)
    data = _table(f"{title}: {label}", "line", names, lines)
    return Plot(name, title, _says(title, lines), figure, data)


def _heat_map(name: str, title: str, found: Inspection, matrix: Matrix) -> Plot:
    from matplotlib.colors import Normalize

    signed = name == "cosine"
    scale = Normalize(-1, 1) if signed else Normalize(0, 1)
    colours = "PuOr" if signed else "cividis"
    figure = draw_matrix(matrix, name, colours=colours, scale=scale, below="and of")
    figure.axes[0].set_ylabel("model" if found.base is None else "task vector of")
    off = [v for i, row in enumerate(matrix.values) for j, v in enumerate(row) if i != j]
    says = f"Heat map. {title} between models {min(off):.3g} to {max(off):.3g}."
    rows = [
        [model, *(f"{value:.3f}" for value in row)]
        for model, row in zip(matrix.rows, matrix.values, strict=True)
    ]
    return Plot(name, title, says, figure, Table(title, ["model", *matrix.columns], rows))


def _table(title: str, first: str, columns: Sequence[str], lines: Lines) -> Table:
    """A row a column of the plot: layers are many, lines are few."""
    rows = [
        [column, *("" if values[i] is None else f"{values[i]:.3g}" for values in lines.values())]
        for i, column in enumerate(columns)
    ]
    return Table(title, [first, *lines], rows)


def _says(title: str, lines: Lines) -> str:
    told = []
    for name, values in lines.items():
        known = [value for value in values if value is not None]
        if known:
            told.append(f"{name} {min(known):.3g} to {max(known):.3g}")
    return f"Lines. {title}: {'; '.join(told)}."
