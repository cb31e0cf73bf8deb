"""Opens a folder as transformers and open_clip save one: a file, or shards and an index."""

from __future__ import annotations

import json
import os
import re
from typing import Any, NoReturn

from .entries import Checkpoint, CheckpointError, Entry, SourceFile
from .safetensors_file import read_safetensors

SAFETENSORS, INDEX = ".safetensors", ".index.json"
# In this order, which is that of transformers' and open_clip's own loaders.
KNOWN = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
)
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
_NOT_WEIGHTS = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state\w*)\.\w+")


def read_folder(folder: str, label: str) -> Checkpoint:
    """The checkpoint that the folder holds; an error where that is not clear."""
    name = _weights_file(folder)
    if name.endswith(INDEX):
        return read_index(os.path.join(folder, name), label, folder=folder)
    read = read_safetensors_file if name.endswith(SAFETENSORS) else read_torch
    return read(os.path.join(folder, name), label, folder=folder)


def read_safetensors_file(path: str, label: str, *, folder: str | None = None) -> Checkpoint:
    """One safetensors file; it holds no ties."""
    source, entries, metadata = read_safetensors(path)
    name = os.path.basename(path) if folder else "model.safetensors"
    return Checkpoint(label, entries, (source,), {}, dict.fromkeys(entries, name), metadata, folder)


def read_torch(path: str, label: str, *, folder: str | None = None) -> Checkpoint:
    """One torch file; it would be written as safetensors."""
    from .torch_file import read_torch_file  # and all that reads zips and pickles

    source, entries, ties = read_torch_file(path)
    name = _safetensors_name(os.path.basename(path)) if folder else "model.safetensors"
    return Checkpoint(label, entries, (source,), ties, dict.fromkeys(entries, name), {}, folder)


def read_index(path: str, label: str, *, folder: str | None = None) -> Checkpoint:
    """Shards and their index, which must name exactly the tensors that they hold, each once."""
    weight_map = _weight_map(path)
    entries: dict[str, Entry] = {}
    files: list[SourceFile] = []
    ties: dict[str, str] = {}
    shards: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for number, shard in enumerate(_present(path, weight_map)):
        source, found, own_ties, own = _read_shard(
            os.path.join(os.path.dirname(path), shard), number
        )
        ties.update(own_ties)
        metadata.update(own)
        files.append(source)
        for name in found:
            if name in entries:
                _fail(path, f"{name!r} lies in {shards[name]!r} and again in {shard!r}")
            shards[name] = shard
        entries.update(found)
    _check_index(path, weight_map, shards)
    shards = {name: _safetensors_name(shard) for name, shard in shards.items()}
    entries = {name: entries[name] for name in weight_map}
    return Checkpoint(label, entries, tuple(files), ties, shards, metadata, folder)


def _present(path: str, weight_map: dict[str, str]) -> list[str]:
    """The shards that an index names, which must all be there."""
    shards = list(dict.fromkeys(weight_map.values()))
    beside = os.path.dirname(path)
    absent = [shard for shard in shards if not os.path.exists(os.path.join(beside, shard))]
    if absent:
        named = ", ".join(map(repr, absent[:10])) + (", ..." if len(absent) > 10 else "")
        _fail(path, f"{len(absent)} of its {len(shards)} files are not there: {named}")
    return shards


def _read_shard(
    path: str, number: int
) -> tuple[SourceFile, dict[str, Entry], dict[str, str], dict[str, str]]:
    """The file, its tensors, its ties and its metadata."""
    if path.endswith(SAFETENSORS):
        source, found, metadata = read_safetensors(path, number)
        return source, found, {}, metadata
    from .torch_file import read_torch_file

    return *read_torch_file(path, number), {}


def _check_index(path: str, weight_map: dict[str, str], found: dict[str, str]) -> None:
    wrong = [
        name for name in weight_map.keys() | found.keys() if weight_map.get(name) != found.get(name)
    ]
    if wrong:
        lines = [
            f"\n  {name!r}: the index says {_quoted(weight_map.get(name))}, it lies in "
            f"{_quoted(found.get(name))}"
            for name in sorted(wrong)[:10]
        ]
        _fail(path, f"{len(wrong)} tensors are not where the index says:{''.join(lines)}\n ")


def _quoted(shard: str | None) -> str:
    return "no file" if shard is None else repr(shard)


def _weight_map(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as stream:
            weight_map: Any = json.load(stream)["weight_map"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        _fail(path, f"is no index of shards ({type(error).__name__}: {error})")
    if not isinstance(weight_map, dict) or not weight_map:
        _fail(path, "its weight_map must map at least one name to a file")
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or shard in ("", ".", "..") or re.search(r"[/\\\0]", shard):
            _fail(
                path, f"{name!r} lies in {shard!r}; expected the name of a file in the same folder"
            )
    return weight_map


def _weights_file(folder: str) -> str:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise CheckpointError(
            f"open_checkpoint: cannot list {folder!r}: {error.strerror}"
        ) from error
    known = [name for name in KNOWN if name in names]
    indexes = [name for name in names if name.endswith(SAFETENSORS + INDEX)]
    safetensors = [name for name in names if name.endswith(SAFETENSORS)]
    torch_files = [
        name for name in names if name.endswith(TORCH_SUFFIXES) and not _NOT_WEIGHTS.fullmatch(name)
    ]
    for candidates in (known[:1], indexes, safetensors, torch_files):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            _fail(folder, f"holds {len(candidates)} files of weights and no index: "
                          f"{', '.join(candidates[:6])}", "name one of them")  # fmt: skip
    _fail(
        folder,
        f"holds no weights, only {', '.join(names[:8])}" if names else "is empty",
        f"expected one of {', '.join(KNOWN)}, or one .safetensors or torch file",
    )


def _safetensors_name(name: str) -> str:
    """'pytorch_model-00001-of-00002.bin' -> 'model-00001-of-00002.safetensors'."""
    if name.endswith(SAFETENSORS):
        return name
    return os.path.splitext(name)[0].replace("pytorch_model", "model") + SAFETENSORS


def _fail(path: str, what: str, advice: str = "download or save the folder again") -> NoReturn:
    raise CheckpointError(f"open_checkpoint: {path!r}: {what}; {advice}")
