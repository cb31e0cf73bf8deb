"""The coins of csrc/core/random.h in torch: 32 random bits for each element of a parameter."""

from __future__ import annotations

from collections.abc import Iterator

import torch

WORD = 0xFFFFFFFF
LONG = 0xFFFFFFFFFFFFFFFF
HALF = 1 << 31


def coins(key: int, first: int, count: int, device: torch.device) -> torch.Tensor:
    """For elements [first, first + count): [count] int32, the uniform words minus 2^31."""
    parts = []
    for block, start, length in _by_block(first, count):
        half = _key_of_block(key, block)
        words = torch.arange(start, start + length, dtype=torch.int64, device=device)
        words = _scramble(words.add_(half & WORD).to(torch.int32))
        parts.append(_scramble(words.add_(_signed(half >> 32))).bitwise_xor_(-HALF))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def thresholds(odds: torch.Tensor) -> torch.Tensor:
    """What a coin is below with each of these probabilities (below 1)."""
    return ((odds * 2.0**32).round() - HALF).to(torch.int32)


def _by_block(first: int, count: int) -> Iterator[tuple[int, int, int]]:
    """(block of 2^32 elements, index in it, how many): an index is taken modulo 2^32."""
    end = first + count
    while first < end:
        block, start = first >> 32, first & WORD
        length = min(end - first, (1 << 32) - start)
        yield block, start, length
        first += length


def _scramble(x: torch.Tensor) -> torch.Tensor:
    # int32 products and sums wrap to the same bits as those of unsigned words; shifts are masked
    x.bitwise_xor_((x >> 16).bitwise_and_(0xFFFF)).mul_(0x7FEB352D)
    x.bitwise_xor_((x >> 15).bitwise_and_(0x1FFFF)).mul_(_signed(0x846CA68B))
    return x.bitwise_xor_((x >> 16).bitwise_and_(0xFFFF))


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= HALF else word


def _key_of_block(key: int, block: int) -> int:
    if block == 0:
        return key
    x = (key + block * 0x9E3779B97F4A7C15) & LONG
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & LONG
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & LONG
    return x ^ (x >> 31)
