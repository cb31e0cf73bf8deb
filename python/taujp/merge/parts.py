"""The works of a plan by what does them: the engine copies, the engine merges, torch works out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engine import Finished, numbered, run
from .file_plan import COPY, FilePlan
from .jobs import copying_job, merging_job

Numbers = Sequence[int]


@dataclass(frozen=True)
class Part:
    """Works that are done in one go; `job(content)` is the engine's plan for them.

    Where there is none their numbers go through torch.
    """

    numbers: Numbers
    job: Callable[[Path], Any] | None


def parts_of(plan: FilePlan, numbers: Collection[int]) -> Iterator[Part]:
    """Of these works, in the order in which they are to be done; no part is empty."""
    by_merge: dict[int, list[int]] = {}
    for n in sorted(numbers):
        by_merge.setdefault(plan.works[n].merge, []).append(n)
    for merge, own in sorted(by_merge.items()):
        here = [n for n in own if _in_torch(plan, n)]
        engine = sorted(set(own) - set(here))
        if engine:
            yield Part(engine, _job(plan, merge, engine))
        if here:
            yield Part(here, None)


def do_part(
    plan: FilePlan,
    part: Part,
    content: Path,
    finished: Callable[[Finished], None],
    tick: Callable[[int], None],
) -> None:
    """`finished` is told each work by its number, `tick` the bytes read so far of this part."""
    if part.job is not None:
        run(part.job(content), numbered(part.numbers, finished), tick)
        return
    from .tensors_to_files import merge_tensors_to_files  # imports torch

    merge_tensors_to_files(plan, content, part.numbers, finished, tick)


def _in_torch(plan: FilePlan, number: int) -> bool:
    work = plan.works[number]
    return work.computed or (not work.copy and plan.merge_of(number).formula is not None)


def _job(plan: FilePlan, merge: int, numbers: Numbers) -> Callable[[Path], Any]:
    if merge != COPY:
        return lambda content: merging_job(plan, content, plan.assembly.merges[merge], numbers)
    works = [plan.works[n] for n in numbers]
    copies = [(work.size, work.sources[0], list(work.targets)) for work in works]
    return lambda content: copying_job(plan, content, copies)
