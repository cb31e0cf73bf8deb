"""Where everything goes in the safetensors files of an output, before any of it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from .dtypes import byte_count, element_bits
from .entries import Checkpoint, CheckpointError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayoutFile:
    """A file to write: its header (length field included), then each tensor at its offset.

    Offsets count from the start of the file; `size` is that of the whole file.
    """

    name: str
    header: bytes
    size: int
    offsets: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """All files of tensors, and where there are several, the name and content of their index."""

    files: tuple[LayoutFile, ...]
    index: tuple[str, str] | None = None


def layout_like(
    donor: Checkpoint,
    tensors: Mapping[str, tuple[str, Shape]],
    *,
    metadata: Mapping[str, str] | None = None,
    one_file: bool = False,
) -> Layout:
    """Lay out `tensors` (name -> dtype and shape) in files as the donor has them, or in one file.

    `metadata` goes into every header; "format" is "pt" unless it says otherwise.
    """
    foreign = [name for name in tensors if name not in donor.shards]
    if foreign and not one_file:
        raise CheckpointError(
            f"layout: {donor.label} has no file for {foreign[:10]}; write one file, or choose a "
            f"donor that has them"
        )
    shards: dict[str, dict[str, tuple[str, Shape]]] = {}
    for name, tensor in tensors.items():
        shard = "model.safetensors" if one_file else donor.shards[name]
        shards.setdefault(shard, {})[name] = tensor
    if not shards:
        shards = {"model.safetensors": {}}
    return _layout(shards, tensors, metadata)


def layout_sharded(
    tensors: Mapping[str, tuple[str, Shape]],
    size: int,
    *,
    metadata: Mapping[str, str] | None = None,
) -> Layout:
    """Lay out `tensors` in their order, in files of at most `size` bytes of tensors each.

    A tensor that is larger has a file of its own. Names are those of transformers:
    model.safetensors, or model-00001-of-00002.safetensors and so on.
    """
    groups: list[dict[str, tuple[str, Shape]]] = [{}]
    held = 0
    for name, tensor in tensors.items():
        nbytes = byte_count(*tensor)
        if groups[-1] and held + nbytes > size:
            groups.append({})
            held = 0
        groups[-1][name] = tensor
        held += nbytes
    count = len(groups)
    if count == 1:
        return _layout({"model.safetensors": groups[0]}, tensors, metadata)
    names = (f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count))
    return _layout(dict(zip(names, groups, strict=True)), tensors, metadata)


def _layout(
    shards: Mapping[str, Mapping[str, tuple[str, Shape]]],
    tensors: Mapping[str, tuple[str, Shape]],
    metadata: Mapping[str, str] | None,
) -> Layout:
    described = {"format": "pt", **(metadata or {})}
    files = tuple(_layout_file(shard, shards[shard], described) for shard in sorted(shards))
    return Layout(files, _index(files, tensors) if len(files) > 1 else None)


def _layout_file(
    name: str, tensors: Mapping[str, tuple[str, Shape]], metadata: Mapping[str, str]
) -> LayoutFile:
    # wide types first, so that every tensor begins at a multiple of its element
    order = sorted(tensors, key=lambda key: (-element_bits(tensors[key][0]), key))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    begins, end = {}, 0
    for key in order:
        dtype, shape = tensors[key]
        begins[key], end = end, end + byte_count(dtype, shape)
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begins[key], end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    offsets = {key: start + begin for key, begin in begins.items()}
    return LayoutFile(name, len(text).to_bytes(8, "little") + text, start + end, offsets)


def _index(
    files: tuple[LayoutFile, ...], tensors: Mapping[str, tuple[str, Shape]]
) -> tuple[str, str]:
    total = sum(byte_count(dtype, shape) for dtype, shape in tensors.values())
    where = {name: file.name for file in files for name in file.offsets}
    content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
    stem = files[0].name.partition("-0")[0].removesuffix(".safetensors")
    return f"{stem}.safetensors.index.json", json.dumps(content, indent=2) + "\n"
