"""The works of a plan by what does them: the engine copies, weighs and merges, torch works out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .coefficients import Row
from .engine import Finished, numbered, run
from .file_plan import COPY, FilePlan
from .jobs import copying_job, merging_job, products_job, weighted_job
from .prepare import Merge
from .weighed_to_files import merge_weighed_to_files
from .weighing import known_weights_of

Numbers = Sequence[int]


@dataclass(frozen=True)
class Part:
    """Works that are done in one go.

    jobs: the engine's plans for them, below `content`; none where they go through torch. weighed:
    the weights of the last are found with the first.
    """

    numbers: Numbers
    jobs: tuple[Callable[[Path], Any], ...] = ()
    weighed: bool = False


def parts_of(plan: FilePlan, numbers: Collection[int]) -> Iterator[Part]:
    """Of these works, in the order in which they are to be done; no part is empty."""
    by_merge: dict[int, list[int]] = {}
    for n in sorted(numbers):
        by_merge.setdefault(plan.works[n].merge, []).append(n)
    for merge, own in sorted(by_merge.items()):
        here = [n for n in own if _in_torch(plan, n)]
        engine = sorted(set(own) - set(here))
        if engine:
            yield _part(plan, merge, engine)
        if here:
            yield Part(here)


def do_part(
    plan: FilePlan,
    part: Part,
    content: Path,
    finished: Callable[[Finished], None],
    tick: Callable[[int], None],
) -> None:
    """`finished` is told each work by its number, `tick` the bytes read so far of this part."""
    if part.weighed:
        merge_weighed_to_files(plan, content, part.numbers, finished, tick)
        return
    if part.jobs:
        run(part.jobs[0](content), numbered(part.numbers, finished), tick)
        return
    from .tensors_to_files import merge_tensors_to_files  # imports torch

    merge_tensors_to_files(plan, content, part.numbers, finished, tick)


def tensors_at_once(plan: FilePlan, number: int) -> int:
    """How many works of this one's merge may be under way in torch, one thread each."""
    if plan.works[number].copy or plan.device != "cpu":
        return 1
    formula = plan.merge_of(number).formula
    decomposes = formula is not None and formula.decomposes
    return plan.threads if decomposes or plan.works[number].computed else 1


def _in_torch(plan: FilePlan, number: int) -> bool:
    work = plan.works[number]
    if work.computed or work.copy:
        return work.computed
    formula = plan.merge_of(number).formula
    if formula is None or formula.known is not None:
        return False
    return formula.weights is None or plan.device != "cpu"


def _part(plan: FilePlan, number: int, numbers: Numbers) -> Part:
    """Of one merge, for the engine."""
    if number == COPY:
        works = [plan.works[n] for n in numbers]
        copies = [(work.size, work.sources[0], list(work.targets)) for work in works]
        return Part(numbers, (lambda content: copying_job(plan, content, copies),))
    merge = plan.assembly.merges[number]
    if merge.formula is not None and merge.formula.known is not None:
        weights = {n: _known(plan, merge, n) for n in numbers}
        return Part(numbers, (lambda content: weighted_job(plan, content, merge, weights),))
    jobs: list[Callable[[Path], Any]] = [lambda content: merging_job(plan, content, merge, numbers)]
    if merge.formula is not None:
        jobs.insert(0, lambda _: products_job(plan, merge, numbers))
    return Part(numbers, tuple(jobs), weighed=merge.formula is not None)


def _known(plan: FilePlan, merge: Merge, number: int) -> list[Row]:
    """The weights [K][N] of a work that follow from its name."""
    work = plan.works[number]
    return known_weights_of(merge, work.names[0], merge.coefficients.tables[work.group])
