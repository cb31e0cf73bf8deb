"""Whole-tensor methods from files to files: one tensor of every checkpoint at a time.

A tensor's results are made here; the engine writes them and takes the fingerprints. What is only a
weighted sum the engine makes itself, reading the inputs once more (from the page cache: they were
read a moment ago).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from taujp.checkpoint.dtypes import torch_dtype
from taujp.checkpoint.entries import IN_MEMORY

from .coefficients import Row
from .engine import Finished, numbered, run
from .file_plan import FilePlan, Work
from .file_sources import BYTES, Place
from .file_tensors import OpenInputs, PlannedInputs
from .jobs import Copy, copying_job, merging_job, weighted_job
from .journal import Done
from .nonfinite_files import report_nonfinite
from .parameter import NonfiniteInput
from .tensor_work import work_out

_BLENDED_BYTES = 256 << 20  # inputs that are read before the engine reads them once more
_RESULT_BYTES = 64 << 20  # results that wait in memory, unless one tensor's are more
_BATCH_TENSORS = 256


@dataclass
class _Batch:
    """Tensors that are worked out: their weights for the engine, or their results in memory."""

    blends: dict[int, list[Row]] = field(default_factory=dict)
    results: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    bytes_read: int = 0

    @property
    def full(self) -> bool:
        """Whether it is time to write."""
        waiting = sum(result.nbytes for results in self.results.values() for result in results)
        return (
            len(self.blends) + len(self.results) >= _BATCH_TENSORS
            or self.bytes_read >= _BLENDED_BYTES
            or waiting >= _RESULT_BYTES
        )


def merge_tensors_to_files(
    plan: FilePlan,
    content: Path,
    numbers: Sequence[int],
    finished: Callable[[Finished], None],
    tick: Callable[[int], None],
) -> None:
    """Do these works: `finished` is told each by its number, `tick` the bytes read so far."""
    before = torch.get_num_threads()
    torch.set_num_threads(plan.threads)
    try:
        with OpenInputs(plan) as inputs:
            _Writer(plan, content, inputs, finished, tick).do(numbers)
    finally:
        torch.set_num_threads(before)


class _Writer:
    def __init__(
        self,
        plan: FilePlan,
        content: Path,
        inputs: OpenInputs,
        finished: Callable[[Finished], None],
        tick: Callable[[int], None],
    ) -> None:
        self._plan, self._content, self._inputs = plan, content, inputs
        self._finished, self._tick = finished, tick
        self._done = 0  # bytes

    def do(self, numbers: Sequence[int]) -> None:
        works = self._plan.works
        copies = [n for n in numbers if works[n].copy]
        job = merging_job(self._plan, self._content, copies)
        self._run(job, copies, numbered(copies, self._finished))
        batch = _Batch()
        for number in (n for n in numbers if not works[n].copy):
            self._work_out(number, batch)
            self._tick(self._done)
            if batch.full:
                self._write(batch)
                batch = _Batch()
        self._write(batch)

    def _work_out(self, number: int, batch: _Batch) -> None:
        merge, work = self._plan.merge, self._plan.works[number]
        dtype = torch_dtype(merge.dtype_of(work.names[0]))
        results: dict[int, torch.Tensor] = {}

        def room(k: int) -> torch.Tensor:
            if k not in results:
                results[k] = torch.empty(work.size, dtype=dtype)
            return results[k]

        try:
            inputs = PlannedInputs(self._inputs, work.sources)
            weights = work_out(merge, work.names[0], inputs, room)
        except NonfiniteInput:
            report_nonfinite(self._plan, [number])
            raise
        batch.bytes_read += work.bytes_read
        if weights is None:
            batch.results[number] = [room(k) for k in range(len(merge.lambdas))]
        else:
            batch.blends[number] = weights

    def _write(self, batch: _Batch) -> None:
        """Let the engine write a batch."""
        if batch.blends:
            job = weighted_job(self._plan, self._content, batch.blends)
            self._run(job, list(batch.blends), numbered(list(batch.blends), self._finished))
        if batch.results:
            self._write_results(batch.results)

    def _run(self, job: Any, numbers: Sequence[int], finished: Callable[[Finished], None]) -> None:
        """The engine at these works; what it reads besides their inputs is no progress."""
        most = sum(self._plan.works[n].bytes_read for n in numbers)
        run(job, finished, lambda done: self._tick(self._done + min(done, most)))
        self._done += most
        self._tick(self._done)

    def _write_results(self, results: dict[int, list[torch.Tensor]]) -> None:
        """What is in memory to its places; the sources are read for their fingerprints alone."""
        copies = [
            (number, copy)
            for number, made in results.items()
            for copy in _copies(self._plan.works[number], made)
        ]
        seen: dict[int, int] = {}

        def collect(found: Finished) -> None:
            seen.update((item, done.fingerprints[0]) for item, done in found)

        job = copying_job(self._plan, self._content, [copy for _, copy in copies])
        self._run(job, list(results), collect)
        fingerprints: dict[int, list[int]] = {number: [] for number in results}
        for item, (number, _) in enumerate(copies):
            fingerprints[number].append(seen[item])
        self._finished([(n, Done(False, tuple(found))) for n, found in fingerprints.items()])


def _copies(work: Work, results: list[torch.Tensor]) -> list[Copy]:
    """In the order of the journal's fingerprints: the sources to nowhere, then the results."""
    sources: list[Copy] = [(work.size * p[2], _bytes(p), []) for p in work.sources]
    made: list[Copy] = [
        (
            result.nbytes,
            (IN_MEMORY, result.data_ptr(), *BYTES),
            [_bytes(place) for place in work.targets[k :: len(results)]],
        )
        for k, result in enumerate(results)
    ]
    return [*sources, *made]


def _bytes(place: Place) -> Place:
    return (*place[:2], *BYTES)
