"""What is known of a checkpoint before one number of it is read: names, types, shapes, places."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

from .dtypes import FLOATING

IN_MEMORY = -1
COMPUTED = -2


class CheckpointError(ValueError):
    """A checkpoint cannot be used; says which, where, what came, what was expected, what to do."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was when it was opened; a merge of it is void when it changes meanwhile."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor: `nbytes` bytes at `offset` of `files[file]`, or `tensor` where `file` is < 0.

    In memory (-1) `tensor` is a torch.Tensor, strided and on any device, as its owner had it; or a
    1-D numpy uint8 array with the tensor's bytes in row-major order (a view of a torch file, made
    contiguous). Where it is yet to be worked out (-2) it is a Computed.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: int
    offset: int
    nbytes: int
    stored_name: str
    tensor: Any = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        """Number of elements; 1 for a 0-d tensor."""
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        """Whether its numbers can be merged: F32, F16 or BF16."""
        return self.dtype in FLOATING


@dataclass(frozen=True)
class Checkpoint:
    """A model's tensors by name, from files or memory; `open_checkpoint` makes it.

    `ties` maps a name to the first name that shares exactly its storage; `shards` maps every name
    to the safetensors file that would hold it if this checkpoint were written as it was read.
    """

    label: str
    entries: dict[str, Entry]
    files: tuple[SourceFile, ...] = ()
    ties: dict[str, str] = field(default_factory=dict)
    shards: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    folder: str | None = None


def stat_file(path: str) -> SourceFile:
    """The file's size and time now; a CheckpointError where it is not a file one can read."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise CheckpointError(f"open_checkpoint: cannot read {path!r}: {error.strerror}") from error
    return SourceFile(path, status.st_size, status.st_mtime_ns)


def unchanged(checkpoint: Checkpoint) -> None:
    """Raise where a file of the checkpoint is no longer what it was when it was opened."""
    for opened in checkpoint.files:
        now = stat_file(opened.path)
        if now != opened:
            raise CheckpointError(
                f"{opened.path!r} changed since it was opened: it had {opened.size} bytes "
                f"(modified at {opened.mtime_ns} ns), it has {now.size} (modified at "
                f"{now.mtime_ns} ns); let whatever writes it finish, then start again"
            )
