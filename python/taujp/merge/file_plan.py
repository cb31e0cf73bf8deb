"""The plan of a merge of files: which bytes of which files become which bytes of which files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from taujp.checkpoint import Entry, SourceFile
from taujp.checkpoint.entries import COMPUTED

from .assembly import Assembly, inputs_of
from .errors import MergeError
from .file_sources import BYTES, FORMATS, Place, Sources
from .output_layout import OutputFile, OutputLayout
from .prepare import Merge
from .recipe import coin_key

COPY = -1  # instead of a merge's number
MOST = 4096  # threads; each has buffers of its own


class Work(NamedTuple):
    """One tensor to merge, or to copy; `names` are those that share its storage."""

    names: tuple[str, ...]
    merge: int
    size: int
    before: int
    group: int
    sources: tuple[Place, ...]
    targets: tuple[Place, ...]
    keys: tuple[int, ...]
    row: int = 0  # elements, where rows matter

    @property
    def copy(self) -> bool:
        """Whether its bytes go as they are."""
        return self.merge == COPY

    @property
    def computed(self) -> bool:
        """Whether a source is yet to be worked out, so that the engine cannot read it."""
        return any(file == COMPUTED for file, *_ in self.sources)

    @property
    def bytes_read(self) -> int:
        """What is read of all the sources."""
        return sum(self.size * width for _, _, width, _ in self.sources)


@dataclass(frozen=True)
class FilePlan:
    """Everything a job needs, and the digest of all that determines its result."""

    assembly: Assembly
    works: tuple[Work, ...]
    inputs: tuple[SourceFile, ...]
    outputs: tuple[OutputFile, ...]
    threads: int
    digest: str
    kept: tuple[Any, ...]  # tensors in memory, which must outlive the job
    computed: tuple[tuple[str, Entry], ...]
    device: str = "cpu"  # where formulas in torch run

    def merge_of(self, number: int) -> Merge:
        """The merge that a work belongs to."""
        return self.assembly.merges[self.works[number].merge]


def plan_files(
    assembly: Assembly,
    layout: OutputLayout,
    *,
    threads: int | None = None,
    device: str = "cpu",
) -> FilePlan:
    """Plan a merge whose output has this layout; reads nothing but headers."""
    reader, storages = Sources(), assembly.by_storage()
    works = [*_merged(assembly, layout, reader, storages)]
    works += _copied(assembly, layout, reader, storages)
    works.sort(key=lambda work: work.targets[0])
    _check_ranks(assembly, works)
    return FilePlan(
        assembly=assembly,
        works=tuple(works),
        inputs=reader.files,
        outputs=layout.files,
        threads=_thread_count(threads),
        digest=_digest(assembly, works, reader, layout),
        kept=tuple(reader.kept),
        computed=tuple(reader.computed),
        device=device,
    )


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return len(os.sched_getaffinity(0))
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= MOST:
        raise MergeError(f"threads is {threads!r}; expected a whole number, from 1 to {MOST}")
    return threads


def _merged(
    assembly: Assembly,
    layout: OutputLayout,
    reader: Sources,
    storages: dict[str, tuple[str, ...]],
) -> Iterator[Work]:
    for number, merge in enumerate(assembly.merges):
        before = _elements_before(merge)
        for name, group in zip(merge.names, merge.groups, strict=True):
            names = storages[name]
            yield Work(
                names=names,
                merge=number,
                size=merge.donor.entries[name].size,
                before=before[name],
                group=group,
                sources=tuple(reader.numbers(c, c.entries[name]) for c in inputs_of(merge)),
                targets=_targets(layout, names, FORMATS[merge.dtype_of(name)]),
                keys=_keys(merge, name),
                row=merge.recipe.row(merge.donor.entries[name].shape),
            )


def _copied(
    assembly: Assembly,
    layout: OutputLayout,
    reader: Sources,
    storages: dict[str, tuple[str, ...]],
) -> Iterator[Work]:
    for name, names in storages.items():
        if name not in assembly.merged:
            entry = assembly.donor.entries[name]
            source, targets = reader.bytes(assembly.donor, entry), _targets(layout, names, BYTES)
            yield Work(names, COPY, entry.nbytes, 0, 0, (source,), targets, ())


def _check_ranks(assembly: Assembly, works: list[Work]) -> None:
    for work in works:
        if work.computed and not work.copy and assembly.merges[work.merge].recipe.over_model:
            raise MergeError(
                f"trim='model' ranks the elements of all parameters where they lie, and "
                f"{work.names[0]!r} is yet to be worked out (an adapter, say); write the adapted "
                f"model to a file first, or trim each parameter"
            )


def _elements_before(merge: Merge) -> dict[str, int]:
    """Elements of the parameters before each: where it begins among all that are ranked."""
    sizes = [merge.donor.entries[name].size for name in merge.names]
    return dict(zip(merge.names, accumulate(sizes, initial=0), strict=False))


def _targets(
    layout: OutputLayout, names: tuple[str, ...], form: tuple[int, int]
) -> tuple[Place, ...]:
    return tuple((file, offset, *form) for name in names for file, offset in layout.places[name])


def _keys(merge: Merge, name: str) -> tuple[int, ...]:
    if not merge.recipe.draws:
        return ()
    return tuple(coin_key(merge.recipe.seed, i, name) for i in range(len(merge.checkpoints)))


def _digest(assembly: Assembly, works: list[Work], reader: Sources, layout: OutputLayout) -> str:
    digest = hashlib.sha256()
    for merge in assembly.merges:
        described = (
            merge.method,
            merge.options,
            merge.recipe,
            merge.coefficients,
            merge.lambdas,
            merge.rounding,
            merge.deltas,
        )
        digest.update(repr(described).encode())
    made = [entry.tensor.identity for _, entry in reader.computed]
    digest.update(repr((reader.files, works, made)).encode())
    for output in layout.files:
        digest.update(output.path.encode() + b"\0" + output.header)
    given = any(merge.formula and merge.formula.in_memory for merge in assembly.merges)
    if reader.kept or given:
        digest.update(os.urandom(16))  # what is in memory now is not there for a later run
    return digest.hexdigest()
