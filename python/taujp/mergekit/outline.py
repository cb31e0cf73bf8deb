"""What the output consists of: each of its tensors, by whose it is merged and how deep it lies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from taujp.checkpoint import Checkpoint, CheckpointError
from taujp.checkpoint.agreement import listed
from taujp.checkpoint.dtypes import INTEGERS

from .config import Module, Slice, Source
from .models import Model

# Buffers that models work out anew when they are made, so that only some checkpoints have them.
RECOMPUTED = re.compile(r"rotary_emb\.inv_freq$|position_ids$|\.attn\.(masked_)?bias$")


class Wanted(NamedTuple):
    """A tensor of the output; `sources` are its names in the region's checkpoints."""

    name: str
    sources: tuple[str, ...]
    t: float


@dataclass(frozen=True)
class Region:
    """Tensors that are merged of the same sources by the same settings.

    base: which of the sources is theta0; None where none is.
    """

    models: tuple[Model, ...]
    checkpoints: tuple[Checkpoint, ...]
    base: int | None
    sources: tuple[Source, ...]
    slice: Slice
    module: Module
    tensors: list[Wanted] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The source that gives shapes, dtypes, and what is not merged."""
        return self.base or 0


@dataclass
class Outline:
    """All regions, and what is found on the way.

    copied: tensors that are taken over; ties: names that share another's storage, in every source.
    layers: {config key: for each output layer the one it continues}; untied: heads that some
    models had tied. missing: "error", or "ignore" to copy what some sources lack.
    """

    missing: str = "error"
    regions: list[Region] = field(default_factory=list)
    copied: dict[str, tuple[Checkpoint, str]] = field(default_factory=dict)
    ties: dict[str, str] = field(default_factory=dict)
    layers: dict[str, list[int]] = field(default_factory=dict)
    untied: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def add(self, region: Region, name: str, sources: Sequence[str], t: float = 0.0) -> None:
        """One more tensor of the output, which the region's checkpoints have by these names."""
        pairs = list(zip(region.checkpoints, sources, strict=True))
        holders = [(c, source) for c, source in pairs if source in c.entries]
        if len(holders) < len(pairs):
            self._partly_there(name, pairs, holders)
            return
        firsts = {c.ties.get(source) for c, source in pairs} if pairs[0][0].ties else {None}
        if len(firsts) == 1 and (first := firsts.pop()) is not None and {*sources} == {name}:
            self.ties[name], self.copied[name] = first, holders[region.first]
            return
        self._check_kinds(pairs)
        region.tensors.append(Wanted(name, tuple(sources), t))

    def check(self) -> None:
        """Raise one CheckpointError with all that speaks against the merge."""
        if self.faults:
            places = "place" if len(self.faults) == 1 else "places"
            raise CheckpointError(
                f"the models disagree in {len(self.faults)} {places}:{listed(self.faults)}\n"
                f"tokenizer_source aligns embeddings of different vocabularies; --missing ignore "
                f"(missing='ignore') copies what not all of them have; another shape or type is of "
                f"another model"
            )

    def _partly_there(
        self, name: str, pairs: list[tuple[Checkpoint, str]], holders: list[tuple[Checkpoint, str]]
    ) -> None:
        """Some sources lack the tensor."""
        if RECOMPUTED.search(name):
            self.dropped.append(name)
        elif self.missing == "ignore":
            self.copied[name] = holders[0]
            self.notes.append(f"{name!r} is not in all models: copied from {holders[0][0].label}")
        else:
            lacking = [(c.label, s) for c, s in pairs if s not in c.entries]
            self.faults += [
                f"{label} lacks {source!r}; {holders[0][0].label} has it"
                for label, source in lacking
            ]

    def _check_kinds(self, pairs: list[tuple[Checkpoint, str]]) -> None:
        """Shapes agree, and what is no float is of one type."""
        checkpoint, source = pairs[0]
        expected = checkpoint.entries[source]
        for other, name in pairs[1:]:
            entry = other.entries[name]
            if entry.shape != expected.shape:
                self.faults.append(
                    f"{other.label} has {name!r} of shape {entry.shape}; {checkpoint.label} has "
                    f"{expected.shape}"
                )
            elif entry.dtype != expected.dtype and not (entry.floating and expected.floating):
                self.faults.append(
                    f"{other.label} has {name!r} of type {entry.dtype}; {checkpoint.label} has "
                    f"{expected.dtype}: floats are merged, integers must be equal"
                )
            elif not entry.floating and entry.dtype not in INTEGERS:
                self.faults.append(
                    f"{other.label} has {name!r} of type {entry.dtype}; F32, F16 and BF16 can be "
                    f"merged: cast it first"
                )
