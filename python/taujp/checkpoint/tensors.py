"""The numbers of a checkpoint, once they are wanted."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from .dtypes import element_bits, torch_dtype
from .entries import COMPUTED, IN_MEMORY, Checkpoint, CheckpointError, Entry, SourceFile, stat_file

if TYPE_CHECKING:
    import torch

_maps: WeakValueDictionary[SourceFile, mmap.mmap] = WeakValueDictionary()


def tensor_of(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    """One tensor, without a copy: read from the file as it is used, the one in memory, or made.

    Writing into it never changes the file. Raises CheckpointError for an unknown name, and where
    the file changed since it was opened.
    """
    import torch

    entry = entry_of(checkpoint, name)
    if entry.file == COMPUTED:
        from .computed import work_out_entry

        return work_out_entry(checkpoint.label, entry)
    if entry.file == IN_MEMORY and isinstance(entry.tensor, torch.Tensor):
        return entry.tensor
    try:
        dtype = torch_dtype(entry.dtype)
    except KeyError:
        raise CheckpointError(
            f"tensor_of: {checkpoint.label}: {name!r} is {entry.dtype}, which this torch "
            f"({torch.__version__}) does not have; cast it and save it again"
        ) from None
    if entry.size == 0:
        return torch.empty(entry.shape, dtype=dtype)
    if entry.file == IN_MEMORY:
        return torch.from_numpy(entry.tensor).view(dtype).reshape(entry.shape)
    mapped = _mapped(checkpoint.files[entry.file])
    if entry.offset % (element_bits(entry.dtype) // 8):  # old files may be unaligned: copy
        raw = torch.frombuffer(mapped, dtype=torch.uint8, count=entry.nbytes, offset=entry.offset)
        return raw.clone().view(dtype).reshape(entry.shape)
    flat = torch.frombuffer(mapped, dtype=dtype, count=entry.size, offset=entry.offset)
    return flat.reshape(entry.shape)


def to_state_dict(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """All tensors, in the checkpoint's order; tied names give one tensor."""
    result: dict[str, torch.Tensor] = {}
    for name in checkpoint.entries:
        first = checkpoint.ties.get(name, name)
        result[name] = result[first] if first in result else tensor_of(checkpoint, name)
    return result


def entry_of(checkpoint: Checkpoint, name: str) -> Entry:
    """What is known of one tensor; a CheckpointError that lists similar names if there is none."""
    if name in checkpoint.entries:
        return checkpoint.entries[name]
    import difflib

    similar = difflib.get_close_matches(name, checkpoint.entries, 3) or list(checkpoint.entries)[:3]
    raise CheckpointError(f"{checkpoint.label} has no tensor {name!r}; it has, e.g., {similar}")


def raw_bytes(checkpoint: Checkpoint, entry: Entry) -> Any:
    """The tensor's bytes in row-major order, as something with the buffer protocol."""
    if entry.nbytes == 0:
        return b""
    if entry.file >= 0:
        mapped = _mapped(checkpoint.files[entry.file])
        return memoryview(mapped)[entry.offset : entry.offset + entry.nbytes]
    if entry.file == IN_MEMORY and not hasattr(entry.tensor, "untyped_storage"):
        return memoryview(entry.tensor)
    import torch

    flat = tensor_of(checkpoint, entry.name).detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def same_bytes(a: Any, b: Any) -> bool:
    """Whether two buffers of raw_bytes are equal; by the megabyte, since memoryviews are slow."""
    step = 1 << 20
    parts = range(0, max(len(a), len(b)), step)
    return all(bytes(a[i : i + step]) == bytes(b[i : i + step]) for i in parts)


def _mapped(source: SourceFile) -> mmap.mmap:
    found = _maps.get(source)
    if found is None:
        if stat_file(source.path) != source:
            raise CheckpointError(f"{source.path!r} changed since it was opened; open it again")
        descriptor = os.open(source.path, os.O_RDONLY)
        try:
            # private pages: a write into a tensor stays in this process, where a read-only map
            # would end the program
            found = mmap.mmap(descriptor, source.size, access=mmap.ACCESS_COPY)
        finally:
            os.close(descriptor)
        _maps[source] = found
    return found
