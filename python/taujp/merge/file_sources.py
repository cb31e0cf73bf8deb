"""Where the engine finds its inputs: numbered files, and addresses of what is in memory."""

from __future__ import annotations

from typing import Any

from taujp.checkpoint import Checkpoint, Entry, SourceFile
from taujp.checkpoint.entries import COMPUTED, IN_MEMORY

# number of the file (-1: in memory, -2: to be worked out), offset or address (or which), bytes of
# an element, the kernels' dtype
Place = tuple[int, int, int, int]
FORMATS = {"F32": (4, 0), "F16": (2, 1), "BF16": (2, 2)}
BYTES = (1, 0)


class Sources:
    """Numbers files, holds on to what is in memory, and lists what is yet to be worked out."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.computed: list[tuple[str, Entry]] = []  # whose it is, and what
        self._files: dict[SourceFile, int] = {}

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """In the order of their numbers."""
        return tuple(self._files)

    def numbers(self, checkpoint: Checkpoint, entry: Entry) -> Place:
        return (*self._start(checkpoint, entry), *FORMATS[entry.dtype])

    def bytes(self, checkpoint: Checkpoint, entry: Entry) -> Place:
        return (*self._start(checkpoint, entry), *BYTES)

    def _start(self, checkpoint: Checkpoint, entry: Entry) -> tuple[int, int]:
        if entry.file == COMPUTED:
            for file in checkpoint.files:  # so that no output replaces what it is made from
                self._files.setdefault(file, len(self._files))
            self.computed.append((checkpoint.label, entry))
            return COMPUTED, len(self.computed) - 1
        if entry.file != IN_MEMORY:
            file = checkpoint.files[entry.file]
            return self._files.setdefault(file, len(self._files)), entry.offset
        if hasattr(entry.tensor, "data_ptr"):
            tensor = entry.tensor.detach().cpu().contiguous()
            self.kept.append(tensor)
            return IN_MEMORY, tensor.data_ptr()
        self.kept.append(entry.tensor)
        return IN_MEMORY, entry.tensor.ctypes.data
