"""Where the engine finds its inputs: numbered files, and addresses of what is in memory."""

from __future__ import annotations

from typing import Any

from taujp.checkpoint import Checkpoint, Entry, SourceFile
from taujp.checkpoint.entries import IN_MEMORY

# number of the file (-1: in memory), offset or address, bytes of an element, the kernels' dtype
Place = tuple[int, int, int, int]
FORMATS = {"F32": (4, 0), "F16": (2, 1), "BF16": (2, 2)}
BYTES = (1, 0)


class Sources:
    """Numbers the files of several checkpoints, and holds on to what is in memory."""

    def __init__(self, checkpoints: list[Checkpoint]) -> None:
        self.files: list[SourceFile] = []
        self.kept: list[Any] = []
        self._first_file: list[int] = []
        for checkpoint in checkpoints:
            self._first_file.append(len(self.files))
            self.files.extend(checkpoint.files)

    def numbers(self, checkpoint: int, entry: Entry) -> Place:
        return (*self._start(checkpoint, entry), *FORMATS[entry.dtype])

    def bytes(self, checkpoint: int, entry: Entry) -> Place:
        return (*self._start(checkpoint, entry), *BYTES)

    def _start(self, checkpoint: int, entry: Entry) -> tuple[int, int]:
        if entry.file != IN_MEMORY:
            return self._first_file[checkpoint] + entry.file, entry.offset
        if hasattr(entry.tensor, "data_ptr"):
            tensor = entry.tensor.detach().cpu().contiguous()
            self.kept.append(tensor)
            return IN_MEMORY, tensor.data_ptr()
        self.kept.append(entry.tensor)
        return IN_MEMORY, entry.tensor.ctypes.data
