"""Writes what was worked out: results as they are in memory, weighted sums by the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from taujp.checkpoint.entries import COMPUTED, IN_MEMORY

from .coefficients import Row
from .engine import Finished, numbered, run
from .file_plan import FilePlan, Work
from .file_sources import BYTES, Place
from .jobs import Copy, copying_job, weighted_job
from .journal import Done
from .weighed_to_files import BATCH_BYTES, BATCH_TENSORS, WAITING_BYTES


@dataclass
class Batch:
    """Tensors that are worked out: their weights for the engine, or their results in memory."""

    blends: dict[int, list[Row]] = field(default_factory=dict)
    results: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    told: dict[int, dict[int, torch.Tensor]] = field(default_factory=dict)  # by position
    bytes_read: int = 0

    def add(
        self,
        number: int,
        bytes_read: int,
        results: list[torch.Tensor],
        weights: list[Row] | None,
        told: dict[int, torch.Tensor],
    ) -> None:
        """One work: its weights, where the engine is to make its results, else the results.

        told: by their positions, what its sources that are in no file are known by.
        """
        if weights is not None:
            self.blends[number] = weights
        else:
            self.results[number] = results
        self.told[number] = told
        self.bytes_read += bytes_read

    @property
    def full(self) -> bool:
        """Whether it is time to write."""
        held = [*self.results.values(), *(told.values() for told in self.told.values())]
        waiting = sum(tensor.nbytes for tensors in held for tensor in tensors)
        return (
            len(self.blends) + len(self.results) >= BATCH_TENSORS
            or self.bytes_read >= BATCH_BYTES
            or waiting >= WAITING_BYTES
        )


class BatchWriter:
    """Writes the batches of one part of a plan; `finished` is told each work, `tick` the bytes."""

    def __init__(
        self,
        plan: FilePlan,
        content: Path,
        finished: Callable[[Finished], None],
        tick: Callable[[int], None],
    ) -> None:
        self._plan, self._content = plan, content
        self._finished, self._tick = finished, tick
        self._done = 0  # bytes

    def look(self) -> None:
        """Tell how far it is, so that an interruption is seen between two batches."""
        self._tick(self._done)

    def write(self, batch: Batch) -> None:
        """Let the engine write a batch; its blends are of one merge."""
        if batch.blends:
            numbers = list(batch.blends)
            merge = self._plan.merge_of(numbers[0])
            job = weighted_job(self._plan, self._content, merge, batch.blends)
            self._run(job, numbers, numbered(numbers, self._finished))
        if batch.results:
            self._write_results(batch)

    def _run(self, job: Any, numbers: Sequence[int], finished: Callable[[Finished], None]) -> None:
        """The engine at these works; what it reads besides their inputs is no progress."""
        most = sum(self._plan.works[n].bytes_read for n in numbers)
        run(job, finished, lambda done: self._tick(self._done + min(done, most)))
        self._done += most
        self._tick(self._done)

    def _write_results(self, batch: Batch) -> None:
        """What is in memory to its places; the sources are read for their fingerprints alone."""
        copies = [
            (number, copy)
            for number, results in batch.results.items()
            for copy in _copies(self._plan.works[number], results, batch.told[number])
        ]
        seen: dict[int, int] = {}

        def collect(found: Finished) -> None:
            seen.update((item, done.fingerprints[0]) for item, done in found)

        job = copying_job(self._plan, self._content, [copy for _, copy in copies])
        self._run(job, list(batch.results), collect)
        fingerprints: dict[int, list[int]] = {number: [] for number in batch.results}
        for item, (number, _) in enumerate(copies):
            fingerprints[number].append(seen[item])
        self._finished([(n, Done(False, tuple(found))) for n, found in fingerprints.items()])


def _copies(work: Work, results: list[torch.Tensor], told: dict[int, torch.Tensor]) -> list[Copy]:
    """In the order of the journal's fingerprints: the sources to nowhere, then the results."""
    to = [_bytes(place) for place in work.targets] if work.copy else []
    sources: list[Copy] = [
        (_held(told[i]) if p[0] == COMPUTED else (work.size * p[2], _bytes(p))) + (to,)
        for i, p in enumerate(work.sources)
    ]
    written: list[Copy] = [
        (*_held(result), [_bytes(place) for place in work.targets[k :: len(results)]])
        for k, result in enumerate(results)
    ]
    return [*sources, *written]


def _held(tensor: torch.Tensor) -> tuple[int, Place]:
    return tensor.nbytes, (IN_MEMORY, tensor.data_ptr(), *BYTES)


def _bytes(place: Place) -> Place:
    return (*place[:2], *BYTES)
