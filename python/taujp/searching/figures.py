"""The headline figures of a search: the chosen point on test data, or what a function gave."""

from __future__ import annotations

from taujp.evaluate.figures import figures
from taujp.searching.result import Search


@figures.register
def _search(result: Search) -> dict[str, float]:
    if result.test is None:
        return {f"{result.objective}, best": result.best.value}
    return {"absolute, tuned": result.test.absolute, "normalised, tuned": result.test.normalised}
