"""Splits that the tool draws itself, where a download has none: the same for everyone, for ever.

Images are drawn by a hash of the seed and their names, not by a library's random numbers, which may
change with its version. An image that is added or lost leaves the others where they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path


def drawn_order(names: Iterable[str], *, seed: int = 0) -> list[str]:
    """The names in the order of sha256(seed/name)."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())


def draw(names: Sequence[str], counts: Sequence[int], *, seed: int = 0) -> list[list[str]]:
    """Disjoint parts of `counts` names each, and last what is left; every part is sorted."""
    if sum(counts) > len(names):
        raise ValueError(
            f"draw: {sum(counts)} of {len(names)} names are wanted; expected no more than there "
            "are; unpack the data set again"
        )
    order = drawn_order(names, seed=seed)
    ends = [sum(counts[:part]) for part in range(len(counts) + 1)] + [len(order)]
    return [sorted(order[begin:end]) for begin, end in pairwise(ends)]


def read_list(path: Path, what: str) -> list[str]:
    """The lines of a split's list, without empty ones; FileNotFoundError says whose list it is."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{what}: the split file '{path}' is missing; expected a line for each image; it is "
            "part of the download: unpack it again"
        )
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]
