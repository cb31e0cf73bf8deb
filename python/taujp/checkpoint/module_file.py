"""Opens a whole module that torch.save pickled, or any file of torch.save with tensors in it."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

from .entries import Checkpoint, CheckpointError
from .legacy_file import is_legacy, read_legacy
from .module_reader import ModuleReader
from .module_tensors import tensors_of
from .pickle_records import Storage, View
from .torch_file import read_archive


def open_module(path: str | os.PathLike[str]) -> Checkpoint:
    """The tensors of a pickled module under the names of its state_dict(); no code is run.

    For checkpoints of projects that pickle modules instead of weights. Files of torch 1.6 and
    later (zip archives) and older ones. Every class and function that the file names stands for an
    inert record; only tensors and names come out. Equivalent, where the module's code is at hand
    and the file is trusted: torch.load(path, weights_only=False).state_dict().

    Raises: CheckpointError for a damaged file, and for one without tensors.
    """
    place = os.fspath(path)
    try:
        with open(place, "rb") as stream:
            start = stream.read(32)
    except OSError as error:
        raise CheckpointError(f"open_module: cannot read {place!r}: {error.strerror}") from error
    if is_legacy(start):
        source, entries, ties = read_legacy(
            place, lambda stream: _load(stream, place), lambda content: tensors_of(content, place)
        )
    elif start.startswith(b"PK"):
        source, entries, ties = read_archive(place, lambda data: _views(data, place))
    else:
        raise CheckpointError(
            f"open_module: {place!r} begins with {start[:8]!r}; expected a file of torch.save"
        )
    shards = dict.fromkeys(entries, "model.safetensors")
    return Checkpoint(repr(place), entries, (source,), ties, shards)


def _views(data: bytes, path: str) -> dict[str, View]:
    return tensors_of(_load(io.BytesIO(data), path)[0], path)


def _load(stream: BinaryIO, path: str) -> tuple[Any, dict[str, Storage]]:
    """One pickle, and the storages that it names."""
    reader = ModuleReader(stream, path)
    try:
        return reader.load(), reader.storages
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way at all
        raise CheckpointError(
            f"open_module: {path!r}: its pickle is damaged ({type(error).__name__}: {error}); copy "
            "or download it again"
        ) from error
