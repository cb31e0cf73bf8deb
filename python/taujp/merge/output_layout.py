"""Which files an output consists of, and where in them every tensor lies, for all K results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from taujp.checkpoint import Layout, companions, layout_like, layout_sharded
from taujp.checkpoint.folder import TORCH_SUFFIXES

from .assembly import Assembly
from .errors import MergeError
from .per_task import task_names
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
    companions: dict[str, str | bytes]  # path -> the file that goes there, or its content

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
            if isinstance(source, bytes):
                (content / path).write_bytes(source)
            else:
                shutil.copyfile(source, content / path)


def target_of(out: str | os.PathLike[str]) -> Path:
    """The output's absolute path; MergeError for an empty one, which is not the current folder."""
    name = os.fspath(out)
    if not name:
        raise MergeError("out is '', an empty path; expected a name to write to")
    if name.endswith(TORCH_SUFFIXES):
        raise MergeError(
            f"out is {name!r}, a torch file by its name, and what is written is safetensors; "
            f"end it in {SUFFIX} for one file, in nothing for a folder"
        )
    return Path(os.path.abspath(out))


def lay_out(
    assembly: Assembly,
    target: Path,
    *,
    donor: str | os.PathLike[str] | None = None,
    sha256: bool = False,
    shard_size: int | None = None,
) -> OutputLayout:
    """The layout of `target`: a file if its name says so, else like the donor.

    shard_size: bytes that a file of a folder may hold, unless one tensor has more; default: files
      as the donor has them.
    """
    results = _result_names(assembly, target)
    digests = _all_sha256(assembly) if sha256 else None
    files: list[OutputFile] = []
    places: dict[str, list[tuple[int, int]]] = {name: [] for name in assembly.donor.entries}
    indexes: dict[str, str] = {}
    carried: dict[str, str | bytes] = {}
    for k, result in enumerate(results):
        one_file = (result or target.name).endswith(SUFFIX)
        layout = _layout(assembly, k, digests, one_file=one_file, shard_size=shard_size)
        for shard in layout.files:
            for name, offset in shard.offsets.items():
                places[name].append((len(files), offset))
            files.append(OutputFile(_below(result, shard.name, one_file), shard.header, shard.size))
        if not one_file:
            indexes.update({_below(result, name, False): text for name, text in _index(layout)})
            carried.update(_companions(assembly, result, donor))
    return OutputLayout(
        tuple(results), tuple(files), {n: tuple(p) for n, p in places.items()}, indexes, carried
    )


def _result_names(assembly: Assembly, target: Path) -> list[str]:
    if assembly.single:
        return [""]
    if target.name.endswith(SUFFIX):
        raise MergeError(
            f"out is {str(target)!r}, one file, for {assembly.results} models; name a "
            f"folder: it will hold one for each"
        )
    suffix = "" if assembly.donor.folder else SUFFIX
    return [name + suffix for name in _task_names(assembly) or _numbers(assembly.results)]


def _numbers(count: int) -> list[str]:
    width = max(3, len(str(count - 1)))
    return [f"{k:0{width}d}" for k in range(count)]


def _task_names(assembly: Assembly) -> list[str] | None:
    """The checkpoints' names where there is a result for each of them."""
    merge = assembly.merges[0]
    return task_names(merge.checkpoints) if merge.per_task else None


def _below(result: str, name: str, one_file: bool) -> str:
    return result if one_file else os.path.join(result, name)


def _layout(
    assembly: Assembly,
    result: int,
    digests: Sha256 | None,
    *,
    one_file: bool,
    shard_size: int | None,
) -> Layout:
    donor = assembly.donor
    tensors = {name: (assembly.dtype_of(name), e.shape) for name, e in donor.entries.items()}
    metadata = {
        **donor.metadata,
        **assembly.metadata,
        KEY: provenance(assembly, result, digests),
    }
    if shard_size is not None and not one_file:
        return layout_sharded(tensors, shard_size, metadata=metadata)
    return layout_like(donor, tensors, metadata=metadata, one_file=one_file)


def _index(layout: Layout) -> Iterator[tuple[str, str]]:
    if layout.index is not None:
        yield layout.index


def _companions(
    assembly: Assembly, result: str, donor: str | os.PathLike[str] | None
) -> Iterator[tuple[str, str | bytes]]:
    if assembly.companions is not None:
        for path, content in assembly.companions.items():
            yield os.path.join(result, path), content
        return
    folder = os.fspath(donor) if donor is not None else assembly.donor.folder
    if folder is None:
        return
    if not os.path.isdir(folder):
        raise MergeError(f"donor is {folder!r}; expected a folder with a config and a tokenizer")
    for source in companions(folder):
        yield os.path.join(result, os.path.relpath(source, folder)), source


def _all_sha256(assembly: Assembly) -> dict[str, dict[str, str]]:
    from concurrent.futures import ThreadPoolExecutor

    files = {
        label: sorted({file.path for view in views for file in view.files})
        for label, views in assembly.inputs.items()
    }
    paths = sorted({path for found in files.values() for path in found})
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        digests = dict(zip(paths, pool.map(sha256_of, paths), strict=True))
    return {
        label: {os.path.basename(path): digests[path] for path in found}
        for label, found in files.items()
    }
