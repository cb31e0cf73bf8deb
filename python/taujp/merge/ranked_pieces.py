"""The k-th smallest of numbers that come in pieces: exact, in two readings and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch

_HALF = 1 << 16  # values of either half of a word
Key = TypeVar("Key")
Pieces = Callable[[], Iterable[Iterable[torch.Tensor]]]


def kth_of_pieces(pieces: Pieces, ranks: Sequence[int]) -> list[list[float]]:
    """For each series of fp32 numbers its values at those ranks (0: the smallest), [series][ranks].

    pieces(): the pieces of all series side by side, the same at every call, each looked at as it
    comes; a NaN counts as large. Numbers are words in their order: first the upper halves are
    counted, then, among the numbers that share a wanted one, the lower halves.
    """
    upper: dict[int, torch.Tensor] = {}
    for i, high, _ in _halves(pieces):
        _count(upper, i, high)
    within = [[_find(counts, rank) for rank in ranks] for counts in upper.values()]
    chosen = [sorted({high for high, _ in found}) for found in within]
    lower: dict[tuple[int, int], torch.Tensor] = {}
    for i, high, low in _halves(pieces):
        for wanted in chosen[i]:
            _count(lower, (i, wanted), low[high == wanted])
    return [
        [_value(high, _find(lower[i, high], rest)[0]) for high, rest in found]
        for i, found in enumerate(within)
    ]


def _halves(pieces: Pieces) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """A series' number, and the upper and lower halves of words that have its numbers' order."""
    for piece in pieces():
        for i, numbers in enumerate(piece):
            bits = numbers.reshape(-1).view(torch.int32)
            words = bits ^ ((bits >> 31) & 0x7FFFFFFF)
            yield i, (words >> 16) + _HALF // 2, words & (_HALF - 1)


def _count(totals: dict[Key, torch.Tensor], key: Key, values: torch.Tensor) -> None:
    counts = values.bincount(minlength=_HALF)
    totals[key] = totals[key] + counts if key in totals else counts


def _find(counts: torch.Tensor, rank: int) -> tuple[int, int]:
    """The bin that holds the number of that rank, and its rank in the bin."""
    until = counts.cumsum(0)
    place = int(torch.searchsorted(until, rank, right=True))
    return place, rank - (int(until[place - 1]) if place else 0)


def _value(high: int, low: int) -> float:
    word = ((high - _HALF // 2) << 16) | low
    bits = word ^ ((word >> 31) & 0x7FFFFFFF)
    return float(torch.tensor([bits], dtype=torch.int32).view(torch.float32))
