"""An inspection as plain text."""

from __future__ import annotations

from taujp.evaluate.pair_results import Matrix
from taujp.inspecting.result import Inspection, Part, mean_between
from taujp.report.text_table import percent, text_table

HEADER = (
    "parameters", "norm", "relative, %", "cosine", "conflict, %", "cancelled, %", "stable rank",
    "overlap, %", "interference",
)  # fmt: skip


def inspection_table(found: Inspection) -> str:
    """The cosines of the models, then a row a layer: means over the models, or between them."""
    tables = (
        [models_table(found), cosine_table(found)]
        if len(found.models) > 1
        else [models_table(found)]
    )
    rows = [[part.name, *cells(part)] for part in (*found.parts, found.whole)]
    tables.append(text_table([f"by {found.by}", *HEADER], rows))
    return "\n\n".join(tables)


def models_table(found: Inspection) -> str:
    """A row a model."""
    header = [vector_of(found), "norm", "relative, %", "changed, %", "stable rank", "energy, %"]
    return text_table(header, model_rows(found))


def model_rows(found: Inspection) -> list[list[str]]:
    """Name, norm, relative norm, changed elements, stable rank, energy of the top directions."""
    whole, directions = found.whole, found.whole.directions
    relative = whole.relative_norms
    return [
        [
            name,
            f"{whole.norms[i]:.4g}",
            percent(relative[i]) if relative else "",
            percent(whole.changed[i]),
            f"{directions.stable_ranks[i]:.1f}" if directions else "",
            percent(sum(directions.shares[i])) if directions else "",
        ]
        for i, name in enumerate(found.models)
    ]


def cosine_table(found: Inspection) -> str:
    """All cosines of the whole model."""
    matrix = cosines_of(found)
    rows = [
        [name, *(f"{value:.3f}" for value in row)]
        for name, row in zip(matrix.rows, matrix.values, strict=True)
    ]
    return text_table(["cosine", *matrix.columns], rows)


def cosines_of(found: Inspection) -> Matrix:
    """The cosines as the report's pictures take them."""
    return Matrix(found.models, found.models, found.whole.cosines)


def cells(part: Part) -> list[str]:
    """What HEADER names; empty where a part has none of it."""
    directions, relative, cosine = part.directions, part.relative_norms, part.cosine_between
    overlap = mean_between(directions.overlap) if directions else None
    return [
        f"{part.parameters:,}",
        f"{_mean(part.norms):.3g}",
        percent(_mean(relative)) if relative else "",
        "" if cosine is None else f"{cosine:.3f}",
        percent(part.conflict),
        percent(part.cancelled),
        f"{_mean(directions.stable_ranks):.1f}" if directions else "",
        "" if overlap is None else percent(overlap),
        f"{directions.interference:.2f}" if directions else "",
    ]


def vector_of(found: Inspection) -> str:
    """What the figures are of."""
    return "model" if found.base is None else f"task vector (minus {found.base})"


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)
