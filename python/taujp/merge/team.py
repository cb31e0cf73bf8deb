"""The processes that make one output together: the ranks of a torchrun job, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from .errors import MergeError
from .file_plan import FilePlan


@dataclass(frozen=True)
class Team:
    """This process's rank of `size`; `wait()` returns once all ranks have called it."""

    rank: int
    size: int
    wait: Callable[[], None]

    @property
    def first(self) -> bool:
        """Whether it does what is done once: locks, headers, the name of the output."""
        return self.rank == 0


ALONE = Team(0, 1, lambda: None)


def torchrun_team() -> Team:
    """The ranks of this torchrun job, which must see one file system; alone outside of one.

    Uses torch.distributed's group if there is one, else makes one of gloo over the job's address.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    if "RANK" not in os.environ or "MASTER_ADDR" not in os.environ:
        raise MergeError(
            f"merge: WORLD_SIZE is {size} and RANK or MASTER_ADDR is not set; start the ranks with "
            f"torchrun, or unset WORLD_SIZE"
        )
    import torch.distributed as distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo")
    return Team(distributed.get_rank(), size, lambda: cast(None, distributed.barrier()))


def threads_each(team: Team) -> int:
    """Processors for each of the ranks on this machine."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if team.size > 1 else 1
    return max(len(os.sched_getaffinity(0)) // here, 1)


def share(plan: FilePlan, team: Team) -> set[int]:
    """The numbers of this rank's works: whole output files, about as many bytes for each rank.

    Files that one work writes (of K models, or of tied tensors) go together, and so do those of a
    merge whose ranks span all its parameters. So no two ranks write the same file.
    """
    groups = _groups(plan)
    loads = [0] * team.size
    own: set[int] = set()
    for works in sorted(groups, key=lambda works: (-_bytes(plan, works), works)):
        rank = loads.index(min(loads))
        loads[rank] += _bytes(plan, works)
        if rank == team.rank:
            own.update(works)
    return own


def _bytes(plan: FilePlan, works: list[int]) -> int:
    return sum(plan.works[n].bytes_read for n in works)


def _groups(plan: FilePlan) -> list[list[int]]:
    """The works that must be done by one process, by the files they write."""
    leader = list(range(len(plan.outputs)))

    def find(file: int) -> int:
        while leader[file] != file:
            leader[file] = leader[leader[file]]
            file = leader[file]
        return file

    spanning: dict[int, int] = {}  # a merge with ranks over the model -> one of its files
    for work in plan.works:
        files = [place[0] for place in work.targets]
        if not work.copy and plan.assembly.merges[work.merge].recipe.over_model:
            files.append(spanning.setdefault(work.merge, files[0]))
        for file in files[1:]:
            leader[find(file)] = find(files[0])
    groups: dict[int, list[int]] = {}
    for number, work in enumerate(plan.works):
        groups.setdefault(find(work.targets[0][0]), []).append(number)
    return list(groups.values())
