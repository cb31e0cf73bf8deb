"""One function that opens whatever holds a model's tensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .entries import Checkpoint, CheckpointError
from .folder import (
    INDEX,
    SAFETENSORS,
    read_folder,
    read_index,
    read_safetensors_file,
    read_torch,
)
from .in_memory import from_state_dict
from .lora_folder import base_and_adapter, is_adapter
from .naming import renamed


def open_checkpoint(
    source: Any, *, label: str | None = None, rename: Mapping[str, str] | None = None
) -> Checkpoint:
    """Open a checkpoint without reading its numbers: the start of every merge and comparison.

    Args:
      source: a path to a safetensors file, a torch file (.pt, .pth, .bin, .ckpt), a shard index, or
        a folder of transformers or open_clip; "BASE+ADAPTER", two of them with a PEFT adapter; a
        state dict; a torch.nn.Module; or a Checkpoint.
      label: what errors call it; default: the path, or the kind of object.
      rename: {regular expression: replacement}, applied in order to every name with re.sub.

    Raises: CheckpointError where the source is damaged, unclear, or contains code (a torch file is
    read without unpickling what it names). Like safetensors.torch.load_file, or
    torch.load(path, weights_only=True), but nothing is read beyond headers.
    """
    opened = _open(source, label)
    return renamed(opened, rename) if rename else opened


def _open(source: Any, label: str | None) -> Checkpoint:
    if isinstance(source, Checkpoint):
        return source if label is None else replace(source, label=label)
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        return _open_path(path, label or repr(path))
    if isinstance(source, Mapping):
        return from_state_dict(source, label or "state dict")
    if callable(getattr(source, "state_dict", None)):
        return from_state_dict(source.state_dict(), label or type(source).__name__)
    raise CheckpointError(
        f"open_checkpoint: came a {type(source).__name__}; expected a path, a state dict, a "
        f"torch.nn.Module or a Checkpoint"
    )


def _open_path(path: str, label: str) -> Checkpoint:
    if pair := base_and_adapter(path):
        from .lora import open_adapted  # which itself opens the base by this function

        return open_adapted(*pair, label=label)
    if is_adapter(path):
        raise CheckpointError(
            f"open_checkpoint: {path!r} is a PEFT adapter, which changes a base; give that too "
            f"(base=, --base), or both as 'BASE+ADAPTER'"
        )
    if os.path.isdir(path):
        return read_folder(path, label)
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(
            f"open_checkpoint: {path!r} is a pipe or a device; expected a file, which is read in "
            f"any order, or a folder: write it to a file first"
        )
    if path.endswith(SAFETENSORS):
        return read_safetensors_file(path, label)
    if path.endswith(INDEX):
        return read_index(path, label)
    start = _first_bytes(path)
    if start.startswith(b"PK"):
        return read_torch(path, label)
    raise CheckpointError(f"open_checkpoint: {path!r}: {_not_weights(start)}")


def _first_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(265)
    except OSError as error:
        raise CheckpointError(f"open_checkpoint: cannot read {path!r}: {error.strerror}") from error


def _not_weights(start: bytes) -> str:
    legacy = start[:1] == b"\x80" or start[257:262] == b"ustar"
    if legacy:
        return (
            "is a torch file of the old format (before torch 1.6), which can only be read by "
            "unpickling it; where you trust it: state = torch.load(path, weights_only=True); "
            "torch.save(state, path)"
        )
    if start[8:9] == b"{":
        return "looks like a safetensors file; give it a name that ends in .safetensors"
    return (
        f"begins with {start[:8]!r}; expected a safetensors file, a torch file as torch.save "
        f"writes it since 1.6, a shard index or a folder"
    )
