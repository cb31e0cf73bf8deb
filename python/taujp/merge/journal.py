"""What of an unfinished merge is done, kept beside it: one line for each finished tensor.

The first line names the merge by a digest of all that determines its result; then come lines of
the tensor's number, whether an input held NaN or Inf, and the fingerprints of its sources and
results. A line is only a claim: whoever goes on from it compares the fingerprints with the bytes
on disk, so nothing has to be flushed in order, and a line cut off by a crash is one tensor to do
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_VERSION = "taujp-journal-1"
_END = "."


@dataclass(frozen=True)
class Done:
    """One finished tensor."""

    nonfinite: bool
    fingerprints: tuple[int, ...]


def read_journal(path: Path, digest: str) -> dict[int, Done] | None:
    """Finished tensors by their number; None where there is no journal, or one of another merge."""
    try:
        first, *lines = path.read_text().split("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if first != f"{_VERSION} {digest}":
        return None
    return dict(_parsed(line) for line in lines if line.endswith(" " + _END))


def _parsed(line: str) -> tuple[int, Done]:
    item, nonfinite, *fingerprints, _ = line.split()
    return int(item), Done(nonfinite == "1", tuple(int(f, 16) for f in fingerprints))


class Journal:
    """A journal that is being written; `done` is all that it says."""

    def __init__(self, path: Path, digest: str, done: dict[int, Done]) -> None:
        self.done: dict[int, Done] = {}
        self._stream = path.open("w")
        self._stream.write(f"{_VERSION} {digest}\n")
        self.record(done.items())

    def record(self, finished: Iterable[tuple[int, Done]]) -> None:
        """Add tensors; they outlive this process from here on."""
        for item, done in finished:
            self.done[item] = done
            words = (f"{f:016x}" for f in done.fingerprints)
            self._stream.write(f"{item} {int(done.nonfinite)} {' '.join(words)} {_END}\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()
