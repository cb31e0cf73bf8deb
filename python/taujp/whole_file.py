"""A text file that is complete or not there, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(text: str, path: str | Path, operation: str) -> Path:
    """Writes beside `path`, flushes, moves onto it; OSError names the operation and the file."""
    path = Path(path)
    with _beside(path, operation) as partial:
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    return path


def check_place(path: str | Path, operation: str) -> None:
    """Call it before long work: the OSError that `write_whole` would raise after it.

    Missing folders are made; what is at `path` stays as it is.
    """
    with _beside(Path(path), operation) as partial:
        partial.touch()


def flush(path: Path) -> None:
    """Puts on disk what was written to a file, or which names a folder has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _beside(path: Path, operation: str) -> Iterator[Path]:
    """A file beside `path` to write to, which is gone afterwards."""
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
    except OSError as error:
        raise OSError(
            f"{operation}: cannot write '{path}': {error}; expected a place to write to; make room "
            "or choose another"
        ) from error
    finally:
        with suppress(OSError):  # it was moved, or is what cannot be reached
            partial.unlink()
