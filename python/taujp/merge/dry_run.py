"""What a merge of files would take, before it is begun."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import taujp_ext
from taujp.checkpoint.entries import COMPUTED

from .assembly import Assembly, alone
from .file_plan import FilePlan, plan_files
from .formula import SURVEYED
from .output_layout import lay_out, target_of
from .parts import Part, parts_of, tensors_at_once
from .prepare import Merge
from .side_by_side import ELEMENTS
from .weighed_to_files import WAITING_BYTES

# CPU time for one element of one input, as measured on a 2.6 GHz Zen 4 core: merging a tile,
# finding ranks or norms first, a formula in torch. Only good for an estimate.
_POINTWISE_SECONDS = 0.3e-9
_STATISTIC_SECONDS = 3e-9
_FORMULA_SECONDS = 30e-9
_PIECES = 16 << 20  # bytes, of pieces of tensors and of what libraries keep for themselves
_PROBE = 32 << 20


@dataclass(frozen=True)
class Estimate:
    """Bytes from and to files, bytes of memory beyond Python's own, and a rough duration.

    in_torch: whether torch is needed, whose libraries are not counted.
    """

    tensors: int
    merged_tensors: int
    bytes_read: int
    bytes_written: int
    memory_bytes: int
    seconds: float
    in_torch: bool


def dry_run(
    merge: Merge | Assembly,
    out: str | os.PathLike[str],
    *,
    threads: int | None = None,
    shard_size: int | None = None,
) -> Estimate:
    """Estimate `assemble_to_files` with the same arguments; reads 32 MB of an input, timed."""
    assembly = merge if isinstance(merge, Assembly) else alone(merge)
    layout = lay_out(assembly, target_of(out), shard_size=shard_size)
    plan = plan_files(assembly, layout, threads=threads)
    parts = list(parts_of(plan, range(len(plan.works))))
    bytes_read = sum(work.bytes_read for work in plan.works)
    written = sum(output.size for output in plan.outputs)
    return Estimate(
        tensors=len(assembly.donor.entries),
        merged_tensors=len(assembly.merged),
        bytes_read=bytes_read,
        bytes_written=written,
        memory_bytes=max(_memory(plan, part) for part in parts),
        seconds=(bytes_read + 2 * written) / _reading_speed(plan)
        + sum(_computing(plan, number) for number in range(len(plan.works))),
        in_torch=not all(part.jobs for part in parts),
    )


def _memory(plan: FilePlan, part: Part) -> int:
    """Bytes of the engine's buffers, or of the tensors that torch works out at once."""
    if part.jobs:
        return max(int(taujp_ext.stream().memory_bytes(job(Path()))) for job in part.jobs)
    largest = max(part.numbers, key=lambda n: _held(plan, n))
    others = sum(_result_bytes(plan, n) for n in part.numbers if n != largest)
    under_way = max(_held(plan, largest), _side_by_side(plan, part))
    return under_way + min(others, WAITING_BYTES) + _PIECES + _surveying(plan, largest)


def _surveying(plan: FilePlan, number: int) -> int:
    """Bytes of the pieces in which the whole model is looked at first."""
    formula = None if plan.works[number].copy else plan.merge_of(number).formula
    return 0 if formula is None else int(4 * formula.surveying * SURVEYED)


def _side_by_side(plan: FilePlan, part: Part) -> int:
    """Bytes of the most that may be under way at once, one thread each."""
    left, elements, together = tensors_at_once(plan, part.numbers[0]), 0, 0
    held = ((_held(plan, n), plan.works[n].size) for n in part.numbers)
    for cost, size in sorted(held, reverse=True):
        if left and elements + size <= ELEMENTS:
            left, elements, together = left - 1, elements + size, together + cost
    return together


def _held(plan: FilePlan, number: int) -> int:
    """What torch holds of a tensor: vectors and theta0 in fp32, what is made of them, results."""
    work = plan.works[number]
    if work.copy:
        return work.size
    factors = _factors(plan, number) if work.computed else None
    if factors is not None:
        stored = sum(work.size * width for file, _, width, _ in work.sources if file != COMPUTED)
        return factors + stored + _result_bytes(plan, number)
    formula = plan.merge_of(number).formula
    in_pieces = formula is not None and formula.pointwise and not work.computed
    vectors = 0 if in_pieces else len(work.sources)
    beside = 1.0 if formula is None else formula.beside
    return int(4 * (vectors + beside) * work.size) + _result_bytes(plan, number)


def _factors(plan: FilePlan, number: int) -> int | None:
    """Bytes of the factors that adapters' changes are summed from; None where it is no such sum."""
    from .adapter_sums import bytes_of_factors  # imports torch, which adapters need anyway

    return bytes_of_factors(plan.merge_of(number), plan.works[number].names[0])


def _result_bytes(plan: FilePlan, number: int) -> int:
    work = plan.works[number]
    return 0 if work.copy else sum(work.size * width for _, _, width, _ in work.targets)


def _computing(plan: FilePlan, number: int) -> float:
    """Seconds."""
    work = plan.works[number]
    if work.copy:
        return 0.0
    merge, elements = plan.merge_of(number), work.size * len(work.sources)
    if merge.formula is not None and merge.formula.merged is not None:
        return elements * _FORMULA_SECONDS / plan.threads
    statistic = merge.recipe.surveys or (merge.formula and merge.formula.weights)
    seconds = _STATISTIC_SECONDS if statistic else _POINTWISE_SECONDS
    return elements * seconds / plan.threads


def _reading_speed(plan: FilePlan) -> float:
    """Bytes a second of the largest input, read by one thread from wherever it is now."""
    if not plan.inputs:
        return float("inf")
    largest = max(plan.inputs, key=lambda source: source.size)
    begin, count = time.perf_counter(), 0
    with open(largest.path, "rb", buffering=0) as stream:
        while count < _PROBE and (part := stream.read(1 << 20)):
            count += len(part)
    return max(count, 1) / (time.perf_counter() - begin)
