"""Tensors that are worked out here, from files to files: one of every checkpoint at a time.

Whole-tensor methods, and inputs that no file holds (adapted matrices, rows in another order). The
engine writes the results and takes the fingerprints. What is only a weighted sum of files the
engine makes itself, reading them once more (from the page cache: they were read a moment ago).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from taujp.checkpoint.dtypes import torch_dtype
from taujp.checkpoint.entries import COMPUTED, IN_MEMORY

from .coefficients import Row
from .engine import Finished, numbered, run
from .file_plan import FilePlan, Work
from .file_sources import BYTES, Place
from .file_tensors import OpenInputs, PlannedInputs
from .jobs import Copy, copying_job, weighted_job
from .journal import Done
from .launch import launch
from .nonfinite_files import report_nonfinite
from .parameter import NonfiniteInput
from .side_by_side import side_by_side
from .survey import surveyed
from .tensor_work import work_out

_BLENDED_BYTES = 256 << 20  # inputs that are read before the engine reads them once more
_RESULT_BYTES = 64 << 20  # results that wait in memory, unless one tensor's are more
_BATCH_TENSORS = 256

# What was read, the results, and in their place the weights with which the engine makes them.
_Worked = tuple[PlannedInputs, list[torch.Tensor], list[Row] | None]


@dataclass
class _Batch:
    """Tensors that are worked out: their weights for the engine, or their results in memory."""

    blends: dict[int, list[Row]] = field(default_factory=dict)
    results: dict[int, list[torch.Tensor]] = field(default_factory=dict)
    made: dict[int, dict[int, torch.Tensor]] = field(default_factory=dict)  # of their sources
    bytes_read: int = 0

    @property
    def full(self) -> bool:
        """Whether it is time to write."""
        waiting = sum(result.nbytes for results in self.results.values() for result in results)
        return (
            bool(self.made)
            or len(self.blends) + len(self.results) >= _BATCH_TENSORS
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
        found, at_once = self._surveyed(numbers[0]), self._at_once(numbers[0])
        pieces = ((self._plan.works[n].size, partial(self._work, n, found)) for n in numbers)
        batch = _Batch()
        with closing(side_by_side(pieces, at_once)) as worked:
            for number, (inputs, results, weights) in zip(numbers, worked, strict=True):
                if weights is not None:
                    batch.blends[number] = weights
                else:
                    batch.results[number] = results
                batch.bytes_read += inputs.work.bytes_read
                if made := inputs.worked_out():
                    batch.made[number] = made
                self._tick(self._done)
                if batch.full:
                    self._write(batch)
                    batch = _Batch()
        self._write(batch)

    def _surveyed(self, number: int) -> Any:
        """What the formula of this work's merge finds out from all its parameters."""
        if self._plan.works[number].copy:
            return None
        part = self._plan.works[number].merge
        numbers = {w.names[0]: n for n, w in enumerate(self._plan.works) if w.merge == part}
        try:
            return surveyed(
                self._plan.merge_of(number), lambda name: self._inputs_of(numbers[name])
            )
        except NonfiniteInput as error:
            report_nonfinite(self._plan, [numbers[str(error)]])
            raise

    def _at_once(self, number: int) -> int:
        """How many works may be under way."""
        if self._plan.works[number].copy or self._plan.device != "cpu":
            return 1
        formula = self._plan.merge_of(number).formula
        return self._plan.threads if formula is not None and formula.decomposes else 1

    def _inputs_of(self, number: int) -> PlannedInputs:
        return PlannedInputs(self._inputs, self._plan.works[number], self._plan.device)

    def _work(self, number: int, found: Any) -> _Worked:
        inputs = self._inputs_of(number)
        if inputs.work.copy:
            inputs.whole()
            return inputs, [], None
        merge, work = self._plan.merge_of(number), inputs.work
        dtype = torch_dtype(merge.dtype_of(work.names[0]))
        results: dict[int, torch.Tensor] = {}

        def room(k: int) -> torch.Tensor:
            if k not in results:
                results[k] = torch.empty(work.size, dtype=dtype)
            return results[k]

        weights: Sequence[Row] | None = merge.coefficients.tables[work.group]
        if merge.formula is not None:
            try:
                weights = work_out(merge, work.names[0], inputs, room, found)
            except NonfiniteInput:
                report_nonfinite(self._plan, [number])
                raise
        if weights is not None and not work.computed:
            return inputs, [], list(weights)
        made = [room(k) for k in range(len(merge.lambdas))]
        if weights is not None:
            self._sum_here(number, inputs, weights, made)
        return inputs, made, None

    def _sum_here(
        self,
        number: int,
        inputs: PlannedInputs,
        weights: Sequence[Row],
        results: list[torch.Tensor],
    ) -> None:
        """The kernels over tensors: for sources that the engine cannot read."""
        merge, sources = self._plan.merge_of(number), inputs.whole()
        bases = [sources.pop(0)] if merge.base is not None else []
        table = torch.tensor([list(weights)], dtype=torch.float32)
        name, group = inputs.work.names[0], torch.zeros(1, dtype=torch.int64)
        faults = launch(merge, [name], table, group, sources, bases, results)
        if bool(faults.any()) and not merge.allow_nonfinite:
            report_nonfinite(self._plan, [number])

    def _write(self, batch: _Batch) -> None:
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

    def _write_results(self, batch: _Batch) -> None:
        """What is in memory to its places; the sources are read for their fingerprints alone."""
        copies = [
            (number, copy)
            for number, results in batch.results.items()
            for copy in _copies(self._plan.works[number], results, batch.made.get(number, {}))
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


def _copies(work: Work, results: list[torch.Tensor], made: dict[int, torch.Tensor]) -> list[Copy]:
    """In the order of the journal's fingerprints: the sources to nowhere, then the results."""
    to = [_bytes(place) for place in work.targets] if work.copy else []
    sources: list[Copy] = [
        (_held(made[i]) if p[0] == COMPUTED else (work.size * p[2], _bytes(p))) + (to,)
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
