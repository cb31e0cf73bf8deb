"""Weighted sums whose weights follow from dot products, from files to files; imports no torch.

The engine reads a batch of tensors for their products, then once more (from the page cache: they
were read a moment ago) to write the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .coefficients import Row
from .engine import Finished, multiply, numbered, run
from .file_plan import FilePlan
from .jobs import products_job, weighted_job
from .nonfinite_files import report_nonfinite
from .weighing import weights_of

BATCH_BYTES = 256 << 20  # inputs that are read before the engine reads them once more
BATCH_TENSORS = 256
WAITING_BYTES = 64 << 20  # results that wait in memory, unless one tensor's are more


def merge_weighed_to_files(
    plan: FilePlan,
    content: Path,
    numbers: Sequence[int],
    finished: Callable[[Finished], None],
    tick: Callable[[int], None],
) -> None:
    """Do these works of one merge: `finished` is told each, `tick` the bytes; each half counts."""
    done, merge = 0, plan.merge_of(numbers[0])

    def half_from(begun: int) -> Callable[[int], None]:
        return lambda read: tick(begun + read // 2)

    for batch in _batches(plan, numbers):
        size = sum(plan.works[n].bytes_read for n in batch)
        weights = _weighed(plan, batch, half_from(done))
        job = weighted_job(plan, content, merge, weights)
        run(job, numbered(batch, finished), half_from(done + size - size // 2))
        done += size
        tick(done)


def _batches(plan: FilePlan, numbers: Sequence[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    size = 0
    for number in numbers:
        batch.append(number)
        size += plan.works[number].bytes_read
        if size >= BATCH_BYTES or len(batch) >= BATCH_TENSORS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _weighed(
    plan: FilePlan, numbers: Sequence[int], tick: Callable[[int], None]
) -> dict[int, list[Row]]:
    """The weights [K][N] of each of these works."""
    merge = plan.merge_of(numbers[0])
    products, nonfinite = multiply(products_job(plan, merge, numbers), tick)
    if not merge.allow_nonfinite:
        report_nonfinite(plan, [n for n, held in zip(numbers, nonfinite, strict=True) if held])
    tables = merge.coefficients.tables
    return {
        n: weights_of(merge, plan.works[n].names[0], tables[plan.works[n].group], found)
        for n, found in zip(numbers, products, strict=True)
    }
