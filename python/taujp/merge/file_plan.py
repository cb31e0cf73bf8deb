"""The plan of a merge of files: which bytes of which files become which bytes of which files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from taujp.checkpoint import Checkpoint, SourceFile

from .file_sources import BYTES, FORMATS, Place, Sources
from .output_layout import OutputFile, OutputLayout
from .prepare import Merge
from .recipe import coin_key


class Work(NamedTuple):
    """One tensor to merge, or to copy; `names` are those that share its storage."""

    names: tuple[str, ...]
    copy: bool
    size: int
    before: int
    group: int
    sources: tuple[Place, ...]
    targets: tuple[Place, ...]
    keys: tuple[int, ...]

    @property
    def bytes_read(self) -> int:
        """What is read of all the sources."""
        return sum(self.size * width for _, _, width, _ in self.sources)


@dataclass(frozen=True)
class FilePlan:
    """Everything a job needs, and the digest of all that determines its result."""

    merge: Merge
    works: tuple[Work, ...]
    inputs: tuple[SourceFile, ...]
    outputs: tuple[OutputFile, ...]
    threads: int
    digest: str
    kept: tuple[Any, ...]  # tensors in memory, which must outlive the job

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Whatever is read: the base, if there is one, then the others."""
        return (*([self.merge.base] if self.merge.base else []), *self.merge.checkpoints)


def plan_files(merge: Merge, layout: OutputLayout, *, threads: int | None = None) -> FilePlan:
    """Plan a merge whose output has this layout; reads nothing but headers."""
    donor = merge.donor
    checkpoints = [*([merge.base] if merge.base else []), *merge.checkpoints]
    reader = Sources(checkpoints)
    groups = dict(zip(merge.names, merge.groups, strict=True))
    before = _elements_before(merge)
    works = []
    for first, names in _by_storage(merge).items():
        size = donor.entries[first].size
        targets = _targets(layout, names, merge.dtype_of(first) if first in groups else None)
        if first in groups:
            sources = tuple(reader.numbers(i, c.entries[first]) for i, c in enumerate(checkpoints))
            keys = _keys(merge, first)
            works.append(
                Work(names, False, size, before[first], groups[first], sources, targets, keys)
            )
        else:
            entry = donor.entries[first]
            source = reader.bytes(0, entry)  # the donor is the base, or else the first
            works.append(Work(names, True, entry.nbytes, 0, 0, (source,), targets, ()))
    works.sort(key=lambda work: work.targets[0])
    return FilePlan(
        merge=merge,
        works=tuple(works),
        inputs=tuple(reader.files),
        outputs=layout.files,
        threads=threads or len(os.sched_getaffinity(0)),
        digest=_digest(merge, works, reader, layout),
        kept=tuple(reader.kept),
    )


def _elements_before(merge: Merge) -> dict[str, int]:
    """Elements of the parameters before each: where it begins among all that are ranked."""
    sizes = [merge.donor.entries[name].size for name in merge.names]
    return dict(zip(merge.names, accumulate(sizes, initial=0), strict=False))


def _by_storage(merge: Merge) -> dict[str, tuple[str, ...]]:
    """The donor's names by the one that is merged (or copied) for all that share its storage."""
    ties = merge.donor.ties
    found: dict[str, tuple[str, ...]] = {}
    for name in merge.donor.entries:
        first = ties.get(name, name)
        found[first] = (*found.get(first, ()), name)
    return found


def _targets(layout: OutputLayout, names: tuple[str, ...], dtype: str | None) -> tuple[Place, ...]:
    width, number = FORMATS[dtype] if dtype else BYTES
    return tuple(
        (file, offset, width, number) for name in names for file, offset in layout.places[name]
    )


def _keys(merge: Merge, name: str) -> tuple[int, ...]:
    if not merge.recipe.draws:
        return ()
    return tuple(coin_key(merge.recipe.seed, i, name) for i in range(len(merge.checkpoints)))


def _digest(merge: Merge, works: list[Work], reader: Sources, layout: OutputLayout) -> str:
    digest = hashlib.sha256()
    described = (
        merge.method,
        merge.options,
        merge.recipe,
        merge.coefficients,
        merge.lambdas,
        merge.rounding,
        merge.deltas,
        reader.files,
        works,
    )
    digest.update(repr(described).encode())
    for output in layout.files:
        digest.update(output.path.encode() + b"\0" + output.header)
    if reader.kept:
        digest.update(os.urandom(16))  # what is in memory now is not there for a later run
    return digest.hexdigest()
