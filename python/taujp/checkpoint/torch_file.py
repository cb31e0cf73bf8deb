"""Opens what torch.save writes: a zip archive with one pickle and one record per storage.

The records are stored uncompressed, so a contiguous tensor is a range of bytes of the file, which
is read in place later. Any other view is copied into memory here, in row-major order.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from .dtypes import byte_count, element_bits
from .entries import IN_MEMORY, CheckpointError, Entry, SourceFile, stat_file
from .pickle_reader import read_pickle
from .pickle_records import View

NESTED = ("state_dict", "model")  # where training scripts keep the weights
_MAX_EXPANDED = 1 << 28  # elements; a few bytes can announce a view of any size
_AGAIN = "save it again with torch.save(model.state_dict(), path)"


Found: TypeAlias = tuple[SourceFile, dict[str, Entry], dict[str, str]]


def read_torch_file(path: str, file: int = 0) -> Found:
    """The file as it is now, its tensors, and its ties (name -> first name of the same storage)."""
    return read_archive(path, lambda data: _views(path, read_pickle(data, path)), file)


def read_archive(path: str, views_of: Callable[[bytes], dict[str, View]], file: int = 0) -> Found:
    """As read_torch_file, with the tensors that `views_of` finds in the archive's pickle."""
    source = stat_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            records = _records(path, archive)
            views = views_of(_content(path, archive, records["data.pkl"]))
            places = _Places(path, archive, records)
            entries = {name: places.entry(name, view, file) for name, view in views.items()}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        _fail(path, f"is not a whole zip archive ({error})", "copy or download it again")
    return source, entries, ties_of(views)


def _fail(path: str, what: str, advice: str = _AGAIN) -> NoReturn:
    raise CheckpointError(f"open_checkpoint: {path!r}: {what}; {advice}")


def _records(path: str, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's members by their names below its one root folder."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.partition("/")[2]
        if name in found:
            _fail(path, f"the record {name!r} stands twice in the archive")
        found[name] = info
    if "constants.pkl" in found:
        _fail(
            path, "is a TorchScript archive, which contains code", f"torch.jit.load it and {_AGAIN}"
        )
    if "data.pkl" not in found:
        _fail(path, "is a zip archive without 'data.pkl'; expected what torch.save writes")
    if "byteorder" in found and _content(path, archive, found["byteorder"]).strip() != b"little":
        _fail(path, "was written on a big-endian machine", f"load it with torch and {_AGAIN}")
    return found


def _content(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's bytes; torch compresses none, and a compressed one could be of any size."""
    if info.compress_type != zipfile.ZIP_STORED:
        _fail(path, f"the record {info.filename!r} is compressed")
    return archive.read(info)


def _views(path: str, content: Any) -> dict[str, View]:
    """The state dict: the file's own, or the one that it nests under 'state_dict' or 'model'."""
    if isinstance(content, dict) and not any(isinstance(x, View) for x in content.values()):
        nested = (content.get(key) for key in NESTED)
        content = next((value for value in nested if isinstance(value, dict)), content)
    if not isinstance(content, dict):
        _fail(path, f"holds a {type(content).__name__}; expected a dict of tensors")
    strange = [key for key, x in content.items() if not (isinstance(x, View) and type(key) is str)]
    if strange:
        kinds = ", ".join(f"{key!r}: {type(content[key]).__name__}" for key in strange[:8])
        _fail(path, f"{len(strange)} of its values are no named tensors ({kinds})")
    return content


def ties_of(views: dict[str, View]) -> dict[str, str]:
    """name -> first name of exactly the same part of a storage."""
    firsts: dict[View, str] = {}
    ties = {}
    for name, view in views.items():
        first = firsts.setdefault(view, name) if math.prod(view.shape) else name
        if first != name:
            ties[name] = first
    return ties


class _Places:
    """Where in the file each tensor lies."""

    def __init__(
        self, path: str, archive: zipfile.ZipFile, records: dict[str, zipfile.ZipInfo]
    ) -> None:
        self._path, self._archive, self._records = path, archive, records
        self._starts: dict[str, int] = {}

    def entry(self, name: str, view: View, file: int) -> Entry:
        storage = view.storage.key
        info = self._records.get(f"data/{storage}")
        if info is None:
            _fail(
                self._path, f"tensor {name!r} lies in the record 'data/{storage}', which is missing"
            )
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            _fail(self._path, f"the record 'data/{storage}' is compressed or encrypted")
        width = element_bits(view.dtype) // 8
        last = sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
        needed = (view.offset + last + 1) * width if math.prod(view.shape) else 0
        if needed > info.file_size:
            _fail(
                self._path,
                f"tensor {name!r} needs {needed} bytes of the record 'data/{storage}', which has "
                f"{info.file_size}",
                "the file is damaged: copy or download it again",
            )
        nbytes = byte_count(view.dtype, view.shape)
        if not contiguous(view):
            data = self._gathered(name, view, info, width)
            return Entry(name, view.dtype, view.shape, IN_MEMORY, 0, nbytes, name, data)
        start = self._start(info) + view.offset * width
        return Entry(name, view.dtype, view.shape, file, start, nbytes, name)

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the record's bytes begin: behind a local header of variable length."""
        if info.filename not in self._starts:
            stream = self._archive.fp
            assert stream is not None
            stream.seek(info.header_offset)
            local = stream.read(30)
            if len(local) < 30 or local[:4] != b"PK\x03\x04":
                _fail(self._path, f"the record {info.filename!r} has no local header")
            lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(
                local[28:30], "little"
            )
            start = info.header_offset + 30 + lengths
            if start + info.file_size > stream.seek(0, 2):
                _fail(self._path, f"the record {info.filename!r} ends beyond the file: truncated")
            self._starts[info.filename] = start
        return self._starts[info.filename]

    def _gathered(self, name: str, view: View, info: zipfile.ZipInfo, width: int) -> Any:
        import numpy as np

        if math.prod(view.shape) > max(_MAX_EXPANDED, info.file_size // width):
            _fail(
                self._path,
                f"tensor {name!r} repeats its {info.file_size} bytes to shape {view.shape}",
            )
        whole = np.memmap(self._path, np.uint8, "r", self._start(info), (info.file_size,))
        offset = view.offset * width
        strides = tuple(step * width for step in view.strides)
        item = np.lib.stride_tricks.as_strided(
            whole[offset : offset + 1], (*view.shape, width), (*strides, 1), writeable=False
        )
        return np.array(item, order="C").reshape(-1)


def contiguous(view: View) -> bool:
    """Whether the view's numbers lie side by side in row-major order."""
    expected = 1
    for n, step in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if n != 1 and step != expected:
            return math.prod(view.shape) == 0
        expected *= n
    return True
