"""Spearman's rank correlation: whether two lists of numbers rise together."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's correlation of the ranks, ties at their mean rank; in [-1, 1].

    None for fewer than three pairs, and where one list is constant. Equivalent:
    `scipy.stats.spearmanr(first, second).statistic`.
    """
    if len(first) < 3:
        return None
    a, b = _centred_ranks(first), _centred_ranks(second)
    size = sum(x * x for x in a) * sum(y * y for y in b)
    product: float = sum(x * y for x, y in zip(a, b, strict=True))
    return product / size**0.5 if size else None


def _centred_ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    places: dict[float, list[int]] = {}
    for place, value in enumerate(ordered):
        places.setdefault(value, []).append(place)
    middle = (len(values) - 1) / 2
    return [fmean(places[value]) - middle for value in values]
