"""Reads the header of a safetensors file and believes none of it before it is checked.

The format: 8 bytes with the header's length n (little-endian), n bytes of JSON that map a tensor's
name to {"dtype", "shape", "data_offsets": [begin, end)}, then the data, which the tensors must fill
without holes or overlaps. Offsets count from the end of the header.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .dtypes import DTYPE_NAMES, byte_count
from .entries import CheckpointError, Entry, SourceFile, stat_file

MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors package
_DAMAGED = "the file is damaged or was not completely written: copy or download it again"


def read_safetensors(
    path: str, file: int = 0
) -> tuple[SourceFile, dict[str, Entry], dict[str, str]]:
    """The file as it is now, its tensors (marked as lying in file number `file`), its metadata."""
    source = stat_file(path)
    header_bytes = _header_bytes(source)
    header = _parse(source, header_bytes)
    metadata = _metadata(source, header.pop("__metadata__", {}))
    start = 8 + len(header_bytes)
    entries = {name: _entry(source, name, value, file, start) for name, value in header.items()}
    _check_coverage(source, entries, start)
    return source, entries, metadata


def _fail(source: SourceFile, what: str, advice: str = _DAMAGED) -> NoReturn:
    raise CheckpointError(f"open_checkpoint: {source.path!r}: {what}; {advice}")


def _header_bytes(source: SourceFile) -> bytes:
    try:
        with open(source.path, "rb") as stream:
            prefix = stream.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8:
                _fail(source, f"has {source.size} bytes; a safetensors file has at least 10")
            if prefix[:4] == b"PK\x03\x04":
                _fail(source, "is a zip archive, as torch.save writes", "name it .pt")
            if length > source.size - 8:
                _fail(
                    source,
                    f"its first 8 bytes announce a header of {length} bytes, of which the file "
                    f"({source.size} bytes) has {source.size - 8}",
                )
            if length > MAX_HEADER_BYTES:
                _fail(source, f"header of {length} bytes; at most {MAX_HEADER_BYTES} are allowed")
            header = stream.read(length)
    except OSError as error:
        _fail(source, f"cannot be read: {error.strerror}", "check the path and its permissions")
    if len(header) < length:
        _fail(source, f"the header ends after {len(header)} of {length} bytes")
    return header


def _parse(source: SourceFile, header: bytes) -> dict[str, Any]:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            _fail(source, f"the header has the key {twice!r} twice; each may stand once")
        return found

    try:
        parsed = json.loads(header.decode("utf-8"), object_pairs_hook=without_duplicates)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        _fail(source, f"the header is not JSON ({error})")
    if not isinstance(parsed, dict):
        _fail(source, f"the header is a JSON {type(parsed).__name__}; expected an object")
    return parsed


def _metadata(source: SourceFile, found: Any) -> dict[str, str]:
    strings = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    if not strings:
        _fail(source, "__metadata__ must map strings to strings", "write the file again")
    checked: dict[str, str] = found
    return checked


def _entry(source: SourceFile, name: str, value: Any, file: int, start: int) -> Entry:
    dtype, shape, begin, end = _fields(source, name, value)
    nbytes = byte_count(dtype, shape)
    if end - begin != nbytes:
        _fail(
            source,
            f"tensor {name!r}: data_offsets [{begin}, {end}] span {end - begin} bytes; "
            f"{dtype} of shape {shape} takes {nbytes}",
        )
    if start + end > source.size:
        _fail(
            source,
            f"tensor {name!r} ends at byte {start + end}, the file at {source.size}: truncated",
        )
    return Entry(name, dtype, shape, file, start + begin, nbytes, name)


def _fields(source: SourceFile, name: str, value: Any) -> tuple[str, tuple[int, ...], int, int]:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        keys = sorted(value) if isinstance(value, dict) else type(value).__name__
        _fail(source, f"tensor {name!r}: has {keys}; expected dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if dtype not in DTYPE_NAMES:
        _fail(
            source,
            f"tensor {name!r}: dtype {dtype!r}; expected one of {', '.join(DTYPE_NAMES)}",
            "cast it and write the file again",
        )
    if not _counts(shape):
        _fail(source, f"tensor {name!r}: shape {shape!r}; expected a list of sizes >= 0")
    if not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        _fail(source, f"tensor {name!r}: data_offsets {offsets!r}; expected [begin, end]")
    return dtype, tuple(shape), offsets[0], offsets[1]


def _counts(value: Any) -> bool:
    # type(), not isinstance(): JSON's true is an int to Python
    return isinstance(value, list) and all(type(x) is int and 0 <= x < 2**63 for x in value)


def _check_coverage(source: SourceFile, entries: dict[str, Entry], start: int) -> None:
    reached, before = start, "the header"
    for entry in sorted(entries.values(), key=lambda entry: (entry.offset, entry.nbytes)):
        if entry.offset != reached:
            relation = "overlaps" if entry.offset < reached else "leaves a hole after"
            _fail(
                source,
                f"tensor {entry.name!r} begins at byte {entry.offset} and {relation} {before}, "
                f"which ends at {reached}",
            )
        reached, before = entry.offset + entry.nbytes, repr(entry.name)
    if reached != source.size:
        _fail(source, f"{source.size - reached} bytes follow the last tensor; expected none")
