"""How a report names the coefficients of a merged model."""

from __future__ import annotations

from taujp.evaluate.results import AdditionPoint


def coefficient_text(point: AdditionPoint) -> str:
    """ "0.3" where all tasks share it, "mnist 0.3, svhn 0.45" or "one a layer" where not."""
    if point.coefficient is not None:
        return f"{point.coefficient:g}"
    each = point.coefficients.items()
    if all(isinstance(value, int | float) for _, value in each):
        return ", ".join(f"{task} {value:.3g}" for task, value in each)
    return "one a layer"
