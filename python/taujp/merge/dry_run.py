"""What a merge of files would take, before it is begun."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import taujp_ext

from .file_plan import FilePlan, plan_files
from .output_layout import lay_out
from .prepare import Merge

# CPU time for one element of one input, as measured on a 2.6 GHz Zen 4 core: merging a tile, and
# finding ranks or norms first. Only good for an estimate.
_POINTWISE_SECONDS = 0.3e-9
_STATISTIC_SECONDS = 3e-9
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


def dry_run(merge: Merge, out: str | os.PathLike[str], *, threads: int | None = None) -> Estimate:
    """Estimate `merge_to_files` with the same arguments; reads 32 MB of an input, timed."""
    layout = lay_out(merge, Path(os.path.abspath(out)))
    plan = plan_files(merge, layout, threads=threads)
    job = plan.job(Path(out), range(len(plan.works)))
    bytes_read = sum(work.bytes_read for work in plan.works)
    written = sum(output.size for output in plan.outputs)
    return Estimate(
        tensors=len(merge.donor.entries),
        merged_tensors=len(merge.names),
        bytes_read=bytes_read,
        bytes_written=written,
        memory_bytes=taujp_ext.stream().memory_bytes(job),
        seconds=(bytes_read + 2 * written) / _reading_speed(plan) + _computing(plan),
    )


def _computing(plan: FilePlan) -> float:
    elements = sum(work.size * len(work.sources) for work in plan.works if not work.copy)
    recipe = plan.merge.recipe
    statistic = recipe.sparsifier == "magnitude" or recipe.rescale == "l1"
    return elements * (_STATISTIC_SECONDS if statistic else _POINTWISE_SECONDS) / plan.threads


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
