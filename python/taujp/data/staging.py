"""A folder that is complete or not there: made beside its place and moved there when it is whole.

A killed run leaves only the folder it worked in, which the next run removes. One run at a time
works on a data set; the lock goes when its process does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taujp.whole_file import flush


@contextmanager
def staging(root: Path, name: str, place: Path) -> Iterator[Path]:
    """An empty folder to work in, on the file system of `root`; removed afterwards.

    BlockingIOError where another run works on the same name under the same root.
    """
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f".prepare-{name}"
    with _locked(root / f".prepare-{name}.lock", name):
        _put_back(folder, place)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def move_into_place(made: Path, place: Path, staging_folder: Path) -> None:
    """Moves the finished folder to its place; what was there before is kept until it has."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        os.replace(place, staging_folder / "before")
    os.replace(made, place)
    flush(place.parent)


def _put_back(folder: Path, place: Path) -> None:
    """Undoes the first half of a move that was killed between its two renames."""
    if (folder / "before").exists() and not place.exists():
        os.replace(folder / "before", place)


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the run before may have removed this file after it was opened here
            alone = path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat())
        except BlockingIOError:
            alone = False
        if not alone:
            raise BlockingIOError(
                f"prepare: another run prepares '{name}' under '{path.parent}'; expected one at a "
                "time; wait for it, and run the same command again"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
