"""The k-th smallest of numbers that come in pieces: exact, in two readings and bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch

_HALF = 1 << 16  # values of either half of a word
Pieces = Callable[[], Iterable[Sequence[torch.Tensor]]]


def kth_of_pieces(pieces: Pieces, ranks: Sequence[int]) -> list[list[float]]:
    """For each series of fp32 numbers its values at those ranks (0: the smallest), [series][ranks].

    pieces(): the pieces of all series side by side, the same at every call; a NaN counts as large.
    Numbers are words in their order: first the upper halves are counted, then, among the numbers
    that share a wanted one, the lower halves.
    """
    upper = _histograms(_halves(piece) for piece in pieces())
    within = [[_find(counts, rank) for rank in ranks] for counts in upper]
    chosen = [sorted({high for high, _ in found}) for found in within]
    lower: dict[tuple[int, int], torch.Tensor] = {}
    for piece in pieces():
        for i, (high, low) in enumerate(_halves(piece)):
            for wanted in chosen[i]:
                counts = low[high == wanted].bincount(minlength=_HALF)
                lower[i, wanted] = lower[i, wanted] + counts if (i, wanted) in lower else counts
    return [
        [_value(high, _find(lower[i, high], rest)[0]) for high, rest in found]
        for i, found in enumerate(within)
    ]


def _halves(series: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The upper and lower halves of words that have the order of the numbers."""
    found = []
    for numbers in series:
        bits = numbers.reshape(-1).view(torch.int32)
        words = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        found.append(((words >> 16) + _HALF // 2, words & (_HALF - 1)))
    return found


def _histograms(
    pieces: Iterable[Sequence[tuple[torch.Tensor, torch.Tensor]]],
) -> list[torch.Tensor]:
    totals: list[torch.Tensor] = []
    for piece in pieces:
        counts = [high.bincount(minlength=_HALF) for high, _ in piece]
        totals = [t + c for t, c in zip(totals, counts, strict=True)] if totals else counts
    return totals


def _find(counts: torch.Tensor, rank: int) -> tuple[int, int]:
    """The bin that holds the number of that rank, and its rank in the bin."""
    until = counts.cumsum(0)
    place = int(torch.searchsorted(until, rank, right=True))
    return place, rank - (int(until[place - 1]) if place else 0)


def _value(high: int, low: int) -> float:
    word = ((high - _HALF // 2) << 16) | low
    bits = word ^ ((word >> 31) & 0x7FFFFFFF)
    return float(torch.tensor([bits], dtype=torch.int32).view(torch.float32))
