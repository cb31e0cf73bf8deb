"""Task vectors of checkpoints that are given as models: an adapter's is scale B A itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .computed import computed_entry
from .entries import COMPUTED, IN_MEMORY, Checkpoint, Entry
from .lora_adapter import identity_of
from .lora_change import Change, Nothing, adapted
from .tensors import tensor_of

if TYPE_CHECKING:
    import torch


def has_adapted(checkpoint: Checkpoint) -> bool:
    """Whether some of its parameters come from an adapter."""
    computed = (name for name, entry in checkpoint.entries.items() if entry.file == COMPUTED)
    return any(adapted(checkpoint, name) is not None for name in computed)


def vectors_of(checkpoint: Checkpoint, theta0: Checkpoint) -> Checkpoint:
    """tau = theta - theta0 in fp32, of the same names; call it after the two were found to agree.

    Of what an adapter of this very base changes it is scale B A, with no rounding through theta's
    dtype and nothing lost beside a large theta0; of what is the base's own it is zero. Each is
    worked out when it is wanted.
    """
    entries = {
        name: _vector(checkpoint, theta0, name)
        if name in theta0.entries and entry.floating
        else entry
        for name, entry in checkpoint.entries.items()
    }
    return replace(checkpoint, entries=entries)


def _vector(checkpoint: Checkpoint, theta0: Checkpoint, name: str) -> Entry:
    entry, made = checkpoint.entries[name], adapted(checkpoint, name)
    if _same_place(checkpoint, entry, theta0, name):
        return computed_entry(name, "F32", entry.shape, Nothing(entry.shape), "zeros")
    if made and _same_place(made.base, made.base.entries[made.name], theta0, name):
        change = made.change
        return computed_entry(name, "F32", entry.shape, Change(change), change.identity)
    start = theta0.entries[name]
    identity = f"{identity_of(checkpoint, entry)} - {identity_of(theta0, start)}"
    difference = _Difference(checkpoint, theta0, name)
    return computed_entry(name, "F32", entry.shape, difference, identity)


def _same_place(checkpoint: Checkpoint, entry: Entry, theta0: Checkpoint, name: str) -> bool:
    """Whether it is the base's own tensor: the same bytes of the same file, or the same object."""
    other = theta0.entries[name]
    if entry.file < 0 or other.file < 0:
        return entry.file == other.file == IN_MEMORY and entry.tensor is other.tensor
    files = checkpoint.files[entry.file], theta0.files[other.file]
    return files[0] == files[1] and (entry.offset, entry.dtype) == (other.offset, other.dtype)


@dataclass(frozen=True)
class _Difference:
    """theta - theta0, each in fp32 before: as the kernels form it."""

    checkpoint: Checkpoint
    theta0: Checkpoint
    name: str

    def __call__(self) -> torch.Tensor:
        start = tensor_of(self.theta0, self.name).detach().cpu().float()
        return tensor_of(self.checkpoint, self.name).detach().cpu().float() - start
