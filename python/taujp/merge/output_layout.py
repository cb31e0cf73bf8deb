"""Which files an output consists of, and where in them every tensor lies, for all K results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from taujp.checkpoint import Layout, companions, layout_like

from .errors import MergeError
from .prepare import Merge
from .provenance import KEY, Sha256, provenance, sha256_of

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class OutputFile:
    """One file of tensors, by its path below the output; "" where the output is that file."""

    path: str
    header: bytes
    size: int


@dataclass(frozen=True)
class OutputLayout:
    """`places[name]` has (number of the file, offset) for each of the K results."""

    results: tuple[str, ...]
    files: tuple[OutputFile, ...]
    places: dict[str, tuple[tuple[int, int], ...]]
    indexes: dict[str, str]  # path -> content of a shard index
    companions: dict[str, str]  # path -> the donor's file that goes there

    @property
    def all_paths(self) -> set[str]:
        """Every file that is written below the output."""
        return {file.path for file in self.files} | self.indexes.keys() | self.companions.keys()

    def write_companions(self, content: Path) -> None:
        """Everything but the tensors: shard indexes, config, tokenizer."""
        for path, text in self.indexes.items():
            (content / path).write_text(text)
        for path, source in self.companions.items():
            (content / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, content / path)


def lay_out(
    merge: Merge,
    target: Path,
    *,
    donor: str | os.PathLike[str] | None = None,
    sha256: bool = False,
) -> OutputLayout:
    """The layout of `target`: a file if its name says so, else like the donor."""
    results = _result_names(merge, target)
    digests = _all_sha256(merge) if sha256 else None
    files: list[OutputFile] = []
    places: dict[str, list[tuple[int, int]]] = {name: [] for name in merge.donor.entries}
    indexes: dict[str, str] = {}
    carried: dict[str, str] = {}
    for k, result in enumerate(results):
        one_file = (result or target.name).endswith(SUFFIX)
        layout = _layout(merge, k, digests, one_file=one_file)
        for shard in layout.files:
            for name, offset in shard.offsets.items():
                places[name].append((len(files), offset))
            files.append(OutputFile(_below(result, shard.name, one_file), shard.header, shard.size))
        if not one_file:
            indexes.update({_below(result, name, False): text for name, text in _index(layout)})
            carried.update(_companions(merge, result, donor))
    return OutputLayout(
        tuple(results), tuple(files), {n: tuple(p) for n, p in places.items()}, indexes, carried
    )


def _result_names(merge: Merge, target: Path) -> list[str]:
    if merge.coefficients.single:
        return [""]
    if target.name.endswith(SUFFIX):
        raise MergeError(
            f"out is {str(target)!r}, one file, for {merge.coefficients.results} models; name a "
            f"folder: it will hold one for each"
        )
    width = max(3, len(str(merge.coefficients.results - 1)))
    suffix = "" if merge.donor.folder else SUFFIX
    return [f"{k:0{width}d}{suffix}" for k in range(merge.coefficients.results)]


def _below(result: str, name: str, one_file: bool) -> str:
    return result if one_file else os.path.join(result, name)


def _layout(merge: Merge, result: int, digests: Sha256 | None, *, one_file: bool) -> Layout:
    first = merge.donor.ties
    merged = set(merge.names)
    tensors = {
        name: (
            merge.dtype_of(name) if first.get(name, name) in merged else entry.dtype,
            entry.shape,
        )
        for name, entry in merge.donor.entries.items()
    }
    metadata = {**merge.donor.metadata, **merge.metadata, KEY: provenance(merge, result, digests)}
    return layout_like(merge.donor, tensors, metadata=metadata, one_file=one_file)


def _index(layout: Layout) -> Iterator[tuple[str, str]]:
    if layout.index is not None:
        yield layout.index


def _companions(
    merge: Merge, result: str, donor: str | os.PathLike[str] | None
) -> Iterator[tuple[str, str]]:
    folder = os.fspath(donor) if donor is not None else merge.donor.folder
    if folder is None:
        return
    if not os.path.isdir(folder):
        raise MergeError(f"donor is {folder!r}; expected a folder with a config and a tokenizer")
    for source in companions(folder):
        yield os.path.join(result, os.path.relpath(source, folder)), source


def _all_sha256(merge: Merge) -> dict[str, dict[str, str]]:
    checkpoints = [*([merge.base] if merge.base else []), *merge.checkpoints]
    paths = {file.path for checkpoint in checkpoints for file in checkpoint.files}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        digests = dict(zip(paths, pool.map(sha256_of, paths), strict=True))
    return {
        checkpoint.label: {os.path.basename(f.path): digests[f.path] for f in checkpoint.files}
        for checkpoint in checkpoints
    }
