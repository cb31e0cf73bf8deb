"""Rows of coefficients, a sum of task vectors each: what moves anything, what layers have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

# By task: one coefficient, or one for each group of its layers. A task left out has 0.
Coefficients: TypeAlias = Mapping[str, float | Mapping[str, float]]


def moving(row: Coefficients) -> Coefficients:
    """The row without the vectors that it leaves out by a 0."""
    return {name: value for name, value in row.items() if _moves(value)}


def is_layered(row: Coefficients) -> bool:
    """Whether a layer has a coefficient of its own in it."""
    return any(isinstance(value, Mapping) for value in row.values())


def _moves(value: float | Mapping[str, float]) -> bool:
    return any(value.values()) if isinstance(value, Mapping) else bool(value)
