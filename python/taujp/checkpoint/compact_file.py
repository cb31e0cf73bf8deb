"""A compact file: one vector for all tasks, and for each task a bit an element and a factor.

A safetensors file. For every merged parameter NAME of `size` elements:
  vector.NAME    F32, the parameter's shape: what all tasks share.
  mask.TASK.NAME U8, [ceil(size / 8)]: bit j of byte k is element 8 k + j of the flat parameter;
                 TASK is the task's number, from 0.
Metadata: taujp.kind "compact"; taujp.compact, JSON: the version of this format, the tasks' names,
their factors, the method and its options, and what the base is known by (`base_digest`).

tau_i = factor_i * vector where the bit is 1, else 0.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .computed import computed_entry
from .entries import Checkpoint, CheckpointError
from .opening import open_checkpoint
from .tensors import raw_bytes, tensor_of

if TYPE_CHECKING:
    from torch import Tensor

KIND, COMPACT = "taujp.kind", "taujp.compact"
VERSION = 1
_VECTOR = "vector."
_SAMPLE = 4096  # bytes of each parameter of the base


def vector_name(parameter: str) -> str:
    """Where the vector of a parameter is."""
    return _VECTOR + parameter


def mask_name(task: int, parameter: str) -> str:
    """Where a task's mask of a parameter is."""
    return f"mask.{task}.{parameter}"


def seen_through(vector: Tensor, mask: Tensor, factor: float) -> Tensor:
    """factor * vector where the mask says so, else 0."""
    import torch

    return torch.where(mask, vector * factor, 0.0)


def base_digest(base: Checkpoint, names: Iterable[str]) -> str:
    """BLAKE2b of these parameters' names, dtypes and first 4096 bytes, in hex."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(names):
        entry = base.entries[name]
        digest.update(f"{name} {entry.dtype}\n".encode())
        digest.update(bytes(raw_bytes(base, entry)[:_SAMPLE]))
    return digest.hexdigest()


def packed(mask: Tensor) -> Tensor:
    """Booleans as bits, uint8 [ceil(size / 8)]."""
    import torch

    bits = torch.zeros(-(-mask.numel() // 8) * 8, dtype=torch.uint8)
    bits[: mask.numel()] = mask.reshape(-1)
    return (bits.view(-1, 8) << torch.arange(8, dtype=torch.uint8)).sum(1, dtype=torch.uint8)


def unpacked(bits: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Bits as booleans of that shape."""
    import torch

    flat = (bits[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1
    return flat.view(-1)[: math.prod(shape)].bool().view(shape)


def open_task(path: str | os.PathLike[str], task: str | int, base: Checkpoint) -> Checkpoint:
    """The vector of one task of a compact file, under the base's names; nothing is read yet.

    Merged with `deltas=True` it is what the file was made of. Each parameter is worked out when it
    is wanted, in fp32. Raises CheckpointError for a file of another kind, an unknown task, a base
    that lacks a parameter or has it in another shape.
    """
    stored = open_checkpoint(path)
    told = _told(stored)
    number = _number(stored, told["tasks"], task)
    names = [name.removeprefix(_VECTOR) for name in stored.entries if name.startswith(_VECTOR)]
    _check_base(stored, names, base, told["base"])
    entries = {}
    for name in base.entries:  # of tied names too
        first = base.ties.get(name, name)
        if first in names:
            one = _Task(stored, first, number, float(told["factors"][number]))
            shape = base.entries[name].shape
            entries[name] = computed_entry(name, "F32", shape, one, one.identity)
    ties = {name: first for name, first in base.ties.items() if name in entries}
    shards = dict.fromkeys(entries, "model.safetensors")
    label = f"{stored.label}, task {told['tasks'][number]!r}"
    return Checkpoint(label, entries, stored.files, ties, shards)


@dataclass(frozen=True)
class _Task:
    """factor * vector where the task's bit is 1, of one parameter."""

    stored: Checkpoint
    name: str
    task: int
    factor: float

    def __call__(self) -> Tensor:
        vector = tensor_of(self.stored, vector_name(self.name))
        mask = unpacked(tensor_of(self.stored, mask_name(self.task, self.name)), vector.shape)
        return seen_through(vector, mask, self.factor)

    @property
    def identity(self) -> str:
        """What determines the numbers."""
        return repr((self.stored.files, self.name, self.task, self.factor))


def _told(stored: Checkpoint) -> dict[str, Any]:
    """What the file says of itself."""
    if stored.metadata.get(KIND) != "compact":
        raise CheckpointError(
            f"open_task: {stored.label} is no compact file of several tasks; taujp.compact "
            f"(`taujp compact make`) writes them"
        )
    told: dict[str, Any] = json.loads(stored.metadata[COMPACT])
    if told["version"] != VERSION:
        raise CheckpointError(
            f"open_task: {stored.label} has version {told['version']} of the compact format; this "
            f"taujp reads {VERSION}; use the taujp that wrote it, or a newer one"
        )
    return told


def _number(stored: Checkpoint, tasks: list[str], task: str | int) -> int:
    if isinstance(task, str) and task in tasks:
        return tasks.index(task)
    if not isinstance(task, str) and 0 <= task < len(tasks):
        return task
    raise CheckpointError(f"open_task: {stored.label} has no task {task!r}; it has {tasks}")


def _check_base(stored: Checkpoint, names: list[str], base: Checkpoint, digest: str) -> None:
    """The base must have all that the file has, each in its shape, and the same numbers."""
    wrong = []
    for name in names:
        found = base.entries.get(name)
        shape = stored.entries[vector_name(name)].shape
        if found is None:
            wrong.append(f"{name!r} is not there")
        elif found.shape != shape:
            wrong.append(f"{name!r} has shape {found.shape}, not {shape}")
    if not wrong and base_digest(base, names) != digest:
        wrong.append("the names are the same, the numbers or their dtypes are not")
    if wrong:
        raise CheckpointError(
            f"open_task: {stored.label} is of another base than {base.label}: "
            f"{'; '.join(wrong[:10])}"
        )
