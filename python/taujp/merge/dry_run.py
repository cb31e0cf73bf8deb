"""What a merge of files would take, before it is begun."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import taujp_ext

from .assembly import Assembly, alone
from .file_plan import FilePlan, plan_files
from .output_layout import lay_out
from .parts import Part, parts_of
from .prepare import Merge

# CPU time for one element of one input, as measured on a 2.6 GHz Zen 4 core: merging a tile,
# finding ranks or norms first, a formula in torch. Only good for an estimate.
_POINTWISE_SECONDS = 0.3e-9
_STATISTIC_SECONDS = 3e-9
_FORMULA_SECONDS = 30e-9
_PROBE = 32 << 20


@dataclass(frozen=True)
class Estimate:
    """Bytes from and to files, bytes of memory beyond Python's own, and a rough duration."""

    tensors: int
    merged_tensors: int
    bytes_read: int
    bytes_written: int
    memory_bytes: int
    seconds: float


def dry_run(
    merge: Merge | Assembly,
    out: str | os.PathLike[str],
    *,
    threads: int | None = None,
    shard_size: int | None = None,
) -> Estimate:
    """Estimate `assemble_to_files` with the same arguments; reads 32 MB of an input, timed."""
    assembly = merge if isinstance(merge, Assembly) else alone(merge)
    layout = lay_out(assembly, Path(os.path.abspath(out)), shard_size=shard_size)
    plan = plan_files(assembly, layout, threads=threads)
    bytes_read = sum(work.bytes_read for work in plan.works)
    written = sum(output.size for output in plan.outputs)
    return Estimate(
        tensors=len(assembly.donor.entries),
        merged_tensors=len(assembly.merged),
        bytes_read=bytes_read,
        bytes_written=written,
        memory_bytes=max(_memory(plan, part) for part in parts_of(plan, range(len(plan.works)))),
        seconds=(bytes_read + 2 * written) / _reading_speed(plan)
        + sum(_computing(plan, number) for number in range(len(plan.works))),
    )


def _memory(plan: FilePlan, part: Part) -> int:
    """Bytes of the engine's buffers, or of the largest tensor of all checkpoints at once."""
    if part.jobs:
        return max(int(taujp_ext.stream().memory_bytes(job(Path()))) for job in part.jobs)
    return max(_whole_tensor(plan, number) for number in part.numbers)


def _whole_tensor(plan: FilePlan, number: int) -> int:
    """What torch holds of a tensor: vectors and theta0 in fp32, and the results."""
    work = plan.works[number]
    if work.copy:
        return work.size
    merge = plan.merge_of(number)
    in_pieces = merge.formula is not None and (merge.formula.pointwise or merge.formula.blends)
    if in_pieces and not work.computed:
        return 0
    return 4 * (len(work.sources) + len(merge.lambdas) + 1) * work.size


def _computing(plan: FilePlan, number: int) -> float:
    """Seconds."""
    work = plan.works[number]
    if work.copy:
        return 0.0
    merge, elements = plan.merge_of(number), work.size * len(work.sources)
    if merge.formula is not None and merge.formula.weights is None:
        return elements * _FORMULA_SECONDS / plan.threads
    statistic = merge.formula is not None or merge.recipe.surveys
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
