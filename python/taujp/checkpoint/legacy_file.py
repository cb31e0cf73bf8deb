"""Torch files from before torch 1.6: pickles one after another, then every storage's bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

from .dtypes import byte_count, element_bits
from .entries import CheckpointError, Entry, stat_file
from .pickle_records import Storage, View
from .torch_file import Found, contiguous, ties_of

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# One pickle from where the stream stands, and the storages that it names.
Load = Callable[[BinaryIO], tuple[Any, dict[str, Storage]]]


def is_legacy(start: bytes) -> bool:
    """Whether a file with these first 32 bytes is of the old format: a pickled magic number."""
    return start[:1] == b"\x80" and MAGIC.to_bytes(10, "little") in start


def read_legacy(path: str, load: Load, views_of: Callable[[Any], dict[str, View]]) -> Found:
    """The file as it is now, its tensors in place, and its ties, as torch_file.read_torch_file.

    CheckpointError where the file is damaged, or a tensor is no contiguous part of its storage.
    """
    source = stat_file(path)
    with open(path, "rb") as stream:
        magic, protocol, system = (load(stream)[0] for _ in range(3))
        if magic != MAGIC or protocol != PROTOCOL or not isinstance(system, dict):
            _fail(path, f"has protocol {protocol!r:.40}; expected {PROTOCOL}")
        if system.get("little_endian") is not True:
            _fail(path, "was written on a big-endian machine")
        content, storages = load(stream)
        views = views_of(content)
        starts = _starts(path, stream, load(stream)[0], storages, source.size)
    entries = {name: _entry(path, name, view, starts) for name, view in views.items()}
    return source, entries, ties_of(views)


def _starts(
    path: str, stream: BinaryIO, keys: Any, storages: dict[str, Storage], size: int
) -> dict[str, tuple[int, int]]:
    """Where every storage's numbers begin, and how many there are."""
    starts: dict[str, tuple[int, int]] = {}
    if not isinstance(keys, list) or len(set(map(str, keys))) != len(keys):
        _fail(path, "has no list of its storages")
    for key in keys:
        head = stream.read(8)
        if len(head) < 8:
            _fail(path, f"ends before storage {key!r:.40}")
        (count,) = struct.unpack("<q", head)
        if key not in storages:
            _fail(path, f"has a storage {key!r:.40} of unknown type")
        end = stream.tell() + count * _width(path, storages[key])
        if count < 0 or end > size:
            _fail(path, f"ends within storage {key!r:.40} of {count} numbers")
        starts[key] = stream.tell(), count
        stream.seek(end)
    return starts


def _width(path: str, storage: Storage) -> int:
    """Bytes of one of its numbers."""
    if storage.dtype is None:
        _fail(path, "has a storage without a type")
    return element_bits(storage.dtype) // 8


def _entry(path: str, name: str, view: View, starts: dict[str, tuple[int, int]]) -> Entry:
    if view.storage.key not in starts:
        _fail(path, f"lacks the storage of {name!r}")
    start, count = starts[view.storage.key]
    if view.offset + math.prod(view.shape) > count or not contiguous(view):
        _fail(path, f"has {name!r} as no contiguous part of its storage")
    nbytes = byte_count(view.dtype, view.shape)
    place = start + view.offset * _width(path, view.storage)
    return Entry(name, view.dtype, view.shape, 0, place, nbytes, name)


def _fail(path: str, what: str) -> NoReturn:
    raise CheckpointError(
        f"open_module: {path!r}: {what}; the file is damaged, or its tensors are of a kind that is "
        "not read here; where its code is at home save model.state_dict() with a newer torch"
    )
