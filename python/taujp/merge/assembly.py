"""Several merges that together make one model: its layers may differ in all but their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from taujp.checkpoint import Checkpoint

from .adapters import without_unchanged
from .errors import MergeError
from .prepare import Merge


@dataclass(frozen=True)
class Assembly:
    """K models, each parameter of them by one of `merges`; each merge has inputs of its own.

    donor: the names, order, ties, shards and metadata of the output; what no merge names is copied
      from it. companions: {path below the output: a file, or its content}; None: whatever goes
      along with the donor's folder. metadata: strings for the files' headers.
    """

    merges: tuple[Merge, ...]
    donor: Checkpoint
    companions: Mapping[str, str | bytes] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = {merge.coefficients.results for merge in self.merges}
        if len(counts) != 1:
            raise MergeError(f"assembly: its merges make {sorted(counts)} models; expected as many")
        lost = [n for merge in self.merges for n in merge.names if n not in self.donor.entries]
        if lost:
            raise MergeError(f"assembly: {self.donor.label} has no {lost[:10]}, which are merged")
        tied = [n for n in self.merged if self.donor.ties.get(n, n) != n]
        if tied:
            raise MergeError(
                f"assembly: {tied[:10]} share the storage of others in {self.donor.label}; merge "
                f"the first name of each storage"
            )
        if len(self.merged) != sum(len(merge.names) for merge in self.merges):
            raise MergeError("assembly: two merges give the same parameter; name each once")

    @cached_property
    def merged(self) -> dict[str, int]:
        """The number of the merge that gives each parameter."""
        return {name: i for i, merge in enumerate(self.merges) for name in merge.names}

    @property
    def results(self) -> int:
        """K."""
        return self.merges[0].coefficients.results

    @property
    def single(self) -> bool:
        """Whether one model was asked for, not a list of K."""
        return self.merges[0].coefficients.single

    def dtype_of(self, name: str) -> str:
        """The dtype that a tensor is written in."""
        first = self.donor.ties.get(name, name)
        if first in self.merged:
            return self.merges[self.merged[first]].dtype_of(first)
        return self.donor.entries[name].dtype

    def by_storage(self) -> dict[str, tuple[str, ...]]:
        """The donor's names by the one that is merged (or copied) for all that share a storage."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.donor.entries:
            first = self.donor.ties.get(name, name)
            found[first] = (*found.get(first, ()), name)
        return found

    @cached_property
    def inputs(self) -> dict[str, list[Checkpoint]]:
        """What is merged, by label: one checkpoint, or the views of it that the merges have."""
        found: dict[str, list[Checkpoint]] = {}
        for merge in self.merges:
            for checkpoint in inputs_of(merge):
                found.setdefault(checkpoint.label, []).append(checkpoint)
        return found

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Whatever is read, each once."""
        seen = {id(c): c for group in self.inputs.values() for c in group}
        yield from {**seen, id(self.donor): self.donor}.values()


def alone(merge: Merge) -> Assembly:
    """The assembly of one merge."""
    merge = without_unchanged(merge)
    return Assembly((merge,), merge.donor, metadata=merge.metadata)


def inputs_of(merge: Merge) -> tuple[Checkpoint, ...]:
    """The base, if there is one, then the checkpoints: the order of a parameter's sources."""
    return (*([merge.base] if merge.base else []), *merge.checkpoints)
