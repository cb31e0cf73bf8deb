"""Shuffled batches without end, each a pure function of the seed and its step.

A run that was stopped asks for step 1,234 and gets it without drawing the 1,233 before, and two
ranks that share a step get between them the rows that one process would have had.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

ORDER, TRANSFORMS = 0, 1  # what a number is drawn for: none is used twice


def endless_batches(
    dataset: Dataset[Any],
    size: int,
    *,
    seed: int,
    start: int = 0,
    part: int = 0,
    parts: int = 1,
    workers: int = 0,
    name: str = "train",
) -> Iterator[tuple[Tensor, Tensor]]:
    """(images, labels) of one shuffled pass after another; a pass drops its last, smaller batch.

    `start`: the first step to yield. `part` of `parts`: only rows part::parts of each batch.
    A transform that draws from torch's, NumPy's or Python's global generator draws the same
    numbers for the same (seed, step, row), in any worker and on any rank; the caller's generators
    are left alone. A `size` above the data set's gives batches of the whole set. ValueError: an
    empty set (called `name`), or a batch that `parts` does not divide.
    """
    count = len(dataset)  # type: ignore[arg-type]
    if not count:
        raise ValueError(
            f"endless_batches: {name} has no images; expected at least one; check its folder"
        )
    size = min(size, count)
    if size % parts:
        raise ValueError(
            f"endless_batches: {name} has batches of {size} images ({count} images in all) for "
            f"{parts} ranks; expected a multiple of {parts}; choose another batch size"
        )
    order = _Order(count, size, seed, start, part, parts)
    loader: DataLoader[Any] = DataLoader(
        _Seeded(dataset),
        batch_sampler=order,
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
    )
    return (tuple(batch) for batch in loader)


@dataclass(frozen=True)
class _Order:
    """For each step from `start`: this part's (index in the data set, seed of its transform)."""

    count: int
    size: int
    seed: int
    start: int
    part: int
    parts: int

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        per_pass, step = self.count // self.size, self.start
        while True:
            shuffled, first = shuffle(self.count, self.seed, step // per_pass), step % per_pass
            for batch in range(first, per_pass):
                rows = range(batch * self.size + self.part, (batch + 1) * self.size, self.parts)
                base = drawn(self.seed, TRANSFORMS, step)
                yield [(int(shuffled[row]), base + row) for row in rows]
                step += 1


def shuffle(count: int, seed: int, number: int) -> Tensor:
    """The order of pass `number` over `count` images."""
    generator = torch.Generator().manual_seed(drawn(seed, ORDER, number))
    return torch.randperm(count, generator=generator)


def drawn(*numbers: int) -> int:
    """A 62-bit number that depends on all of `numbers` and looks random."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(2))


class _Seeded(Dataset[Any]):
    """A data set whose random transforms draw from a seed that comes with the index."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __getitems__(self, rows: Sequence[tuple[int, int]]) -> list[Any]:
        before = torch.random.get_rng_state(), np.random.get_state(), random.getstate()
        try:
            return [self._one(index, seed) for index, seed in rows]
        finally:
            torch.random.set_rng_state(before[0])
            np.random.set_state(before[1])
            random.setstate(before[2])

    def _one(self, index: int, seed: int) -> Any:
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        return self.dataset[index]
