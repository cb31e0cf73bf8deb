"""The headline figures of an inspection, of the whole model."""

from __future__ import annotations

from taujp.evaluate.figures import figures
from taujp.inspecting.result import Inspection


@figures.register
def _inspection(result: Inspection) -> dict[str, float]:
    whole = result.whole
    found = {"signs in conflict": whole.conflict, "cancelled in the sum": whole.cancelled}
    cosine = whole.cosine_between
    return found if cosine is None else {"cosine, mean between models": cosine, **found}
