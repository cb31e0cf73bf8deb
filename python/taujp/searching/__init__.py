"""Coefficients and options of a merge found by any objective: a grid, or Optuna's samplers."""

from taujp.searching import figures  # noqa: F401  (registers them)
from taujp.searching.result import Search, Trial
from taujp.searching.search import search
from taujp.searching.space import Range

__all__ = ["Range", "Search", "Trial", "search"]
