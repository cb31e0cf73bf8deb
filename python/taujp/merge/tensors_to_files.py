"""Tensors that are worked out here, from files to files: one of every checkpoint at a time.

Whole-tensor methods, and inputs that no file holds (adapted matrices, rows in another order). The
engine writes the results and takes the fingerprints. What is only a weighted sum of files the
engine makes itself, reading them once more (from the page cache: they were read a moment ago).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

from taujp.checkpoint.dtypes import torch_dtype

from .adapter_rooms import ChangeRooms
from .adapter_sums import SumOfFactors, sum_of_factors
from .coefficients import Row
from .engine import Finished
from .file_plan import FilePlan
from .file_tensors import OpenInputs, PlannedInputs
from .launch import launch
from .nonfinite_files import report_nonfinite
from .parameter import NonfiniteInput
from .parts import tensors_at_once
from .side_by_side import side_by_side
from .survey import surveyed
from .tensor_work import work_out
from .worked_batch import Batch, BatchWriter

# What sources in no file are known by, the results, and in their place the weights with which the
# engine makes them.
_Worked = tuple[dict[int, torch.Tensor], list[torch.Tensor], list[Row] | None]


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
            _Worker(plan, inputs).do(numbers, BatchWriter(plan, content, finished, tick))
    finally:
        torch.set_num_threads(before)


class _Worker:
    """Works out one tensor after the other, or several side by side."""

    def __init__(self, plan: FilePlan, inputs: OpenInputs) -> None:
        self._plan, self._inputs = plan, inputs
        self._rooms = ChangeRooms()

    def do(self, numbers: Sequence[int], writer: BatchWriter) -> None:
        found, at_once = self._surveyed(numbers[0]), tensors_at_once(self._plan, numbers[0])
        pieces = ((self._plan.works[n].size, partial(self._work, n, found)) for n in numbers)
        batch = Batch()
        with closing(side_by_side(pieces, at_once)) as worked:
            for number, (told, results, weights) in zip(numbers, worked, strict=True):
                batch.add(number, self._plan.works[number].bytes_read, results, weights, told)
                writer.look()
                if batch.full:
                    writer.write(batch)
                    batch = Batch()
        writer.write(batch)

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

    def _inputs_of(self, number: int) -> PlannedInputs:
        return PlannedInputs(self._inputs, self._plan.works[number], self._plan.device)

    def _work(self, number: int, found: Any) -> _Worked:
        inputs = self._inputs_of(number)
        if inputs.work.copy:
            return inputs.told(), [], None
        merge, work = self._plan.merge_of(number), inputs.work
        dtype = torch_dtype(merge.dtype_of(work.names[0]))
        results: dict[int, torch.Tensor] = {}

        def room(k: int) -> torch.Tensor:
            if k not in results:
                results[k] = torch.empty(work.size, dtype=dtype)
            return results[k]

        summed = sum_of_factors(merge, work.names[0]) if work.computed else None
        if summed is not None:
            return inputs.told(), self._sum_factors(number, inputs, summed, room), None
        weights: Sequence[Row] | None = merge.coefficients.tables[work.group]
        if merge.formula is not None:
            try:
                weights = work_out(merge, work.names[0], inputs, room, found)
            except NonfiniteInput:
                report_nonfinite(self._plan, [number])
                raise
        if weights is not None and not work.computed:
            return {}, [], list(weights)
        made = [room(k) for k in range(len(merge.lambdas))]
        if weights is not None:
            self._sum_here(number, inputs, weights, made)
        return inputs.told(), made, None

    def _sum_factors(
        self,
        number: int,
        inputs: PlannedInputs,
        summed: SumOfFactors,
        room: Callable[[int], torch.Tensor],
    ) -> list[torch.Tensor]:
        """The K results of a sum of adapters' changes, none of which is made by itself."""
        results = [room(k) for k in range(len(summed.merge.lambdas))]
        if not summed.write(inputs(0, 0, inputs.work.size), results):
            report_nonfinite(self._plan, [number])
        return results

    def _sum_here(
        self,
        number: int,
        inputs: PlannedInputs,
        weights: Sequence[Row],
        results: list[torch.Tensor],
    ) -> None:
        """The kernels over tensors: for sources that the engine cannot read."""
        merge, sources = self._plan.merge_of(number), inputs.whole(self._rooms)
        bases = [sources.pop(0)] if merge.base is not None else []
        table = torch.tensor([list(weights)], dtype=torch.float32)
        name, group = inputs.work.names[0], torch.zeros(1, dtype=torch.int64)
        faults = launch(merge, [name], table, group, sources, bases, results)
        if bool(faults.any()) and not merge.allow_nonfinite:
            report_nonfinite(self._plan, [number])
