"""Rows of coefficients: which of them move anything, and whether layers have their own."""

from __future__ import annotations

from collections.abc import Mapping

from taujp.evaluate.results import Coefficients


def moving(row: Coefficients) -> Coefficients:
    """The row without the vectors that it leaves out by a 0."""
    return {name: value for name, value in row.items() if _moves(value)}


def is_layered(row: Coefficients) -> bool:
    """Whether a layer has a coefficient of its own in it."""
    return any(isinstance(value, Mapping) for value in row.values())


def _moves(value: float | Mapping[str, float]) -> bool:
    return any(value.values()) if isinstance(value, Mapping) else bool(value)
