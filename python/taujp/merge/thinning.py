"""DELLA's thinning of a task vector: coins whose odds follow the rank in the row."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .coins import thresholds

Coins = Callable[[int, int], torch.Tensor]  # (first element, how many) -> 32 random bits each
# Elements of the rows that are ranked at a time: few enough that torch gives each operation to one
# thread, where many would wait for each other after every one.
_ELEMENTS = 1 << 15


def thin(tau: torch.Tensor, density: float, epsilon: float, coins: Coins, rescale: str) -> None:
    """Drop elements of tau in place, and scale what stays: see `della_linear`."""
    if density >= 1:
        return
    if density <= 0:
        tau.zero_()
        return
    rows = tau.view(tau.shape[0], -1) if tau.ndim > 1 else tau.view(1, -1)
    length = rows.shape[1]
    odds = _odds(length, density, epsilon, tau.device)
    limits = thresholds(odds)
    factors = (1 / odds if rescale == "density" else torch.ones_like(odds)).to(tau.dtype)
    before = tau.abs().sum(dtype=torch.float64) if rescale == "l1" else None
    step = max(_ELEMENTS // length, 1)
    for first in range(0, rows.shape[0], step):
        part = rows[first : first + step]
        order = _ascending(part)
        drawn = coins(first * length, part.numel()).view(part.shape).gather(1, order)
        kept = (drawn < limits).to(tau.dtype) * factors
        part.mul_(torch.empty_like(part).scatter_(1, order, kept))
    if before is not None:
        after = tau.abs().sum(dtype=torch.float64)
        if before >= 1e-7 and after >= 1e-7:
            tau.mul_(float(before / after))


def _ascending(rows: torch.Tensor) -> torch.Tensor:
    """The indices of each row by magnitude, equal ones by index: int64 [rows, length]."""
    # magnitude and index in one word: sorting words is several times faster than an argsort
    words = rows.abs().view(torch.int32).to(torch.int64).bitwise_left_shift_(32)
    words.bitwise_or_(torch.arange(rows.shape[1], device=rows.device))
    if words.is_cuda:
        words = words.sort(dim=1).values
    else:
        words.numpy().sort(axis=1)
    return words.bitwise_and_(0xFFFFFFFF)


def _odds(length: int, density: float, epsilon: float, device: torch.device) -> torch.Tensor:
    """The probability of staying by rank, float64 [length]."""
    if length == 1:
        return torch.full((1,), density, dtype=torch.float64, device=device)
    rank = torch.arange(length, dtype=torch.float64, device=device)
    return density + epsilon * (2 * rank / (length - 1) - 1)
