"""A text file that is complete or not there, whatever happens while it is written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole(text: str, path: str | Path, operation: str) -> Path:
    """Writes beside `path`, flushes, moves onto it; OSError names the operation and the file."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):  # it may be what cannot be reached
            partial.unlink()
        raise OSError(
            f"{operation}: cannot write '{path}': {error}; expected a place to write to; make room "
            "or choose another"
        ) from error
    return path
