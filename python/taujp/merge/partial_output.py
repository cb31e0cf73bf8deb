"""Where an output grows until it is complete: a hidden folder beside it, held by one process."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import taujp_ext
from taujp.whole_file import flush

from .errors import MergeError
from .output_layout import SUFFIX


class PartialOutput:
    """`with PartialOutput(out) as partial:` write to `partial.content`, then `partial.publish()`.

    Without `publish` the folder stays for a later run to go on from, unless `discard` was called.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = target.parent / f".{target.name}.taujp-partial"
        self.content = self.folder / "output"

    def __enter__(self) -> PartialOutput:
        try:
            self._lock = _lock(self.folder)
        except BlockingIOError as error:
            raise MergeError(
                f"merge: another process is writing {str(self.target)!r} (it holds "
                f"{str(self.folder)!r}); wait for it, or choose another output"
            ) from error
        except OSError as error:
            raise type(error)(
                error.errno,
                f"merge: cannot write {str(self.target)!r}: {error.strerror} "
                f"({str(self.folder)!r}); choose a place where you may write",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._lock)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            raise OSError(
                f"merge: cannot write {str(self.target)!r}: {error.strerror}; free some space "
                f"there and run the same merge again"
            ) from error

    def journal(self, rank: int | None = None) -> Path:
        """The journal of one rank's share, or that of what stood when the shares were given out."""
        return self.folder / ("journal" if rank is None else f"journal.{rank}")

    def journals(self) -> list[Path]:
        """Those of the ranks that an earlier run or this one had, and what stood before them."""
        return sorted(self.folder.glob("journal*"))

    def publish(self) -> None:
        """Flush what was written and move it to its name in one step; what was there is removed."""
        for path in [self.content, *self.content.rglob("*")]:
            flush(path)
        stream = taujp_ext.stream()
        if is_empty_folder(self.target) and self.content.is_dir():
            os.rmdir(self.target)
        if not os.path.lexists(self.target):
            stream.rename_onto_nothing(str(self.content), str(self.target))
        elif not stream.exchange(str(self.content), str(self.target)):
            os.rename(self.target, self.folder / "previous")
            os.rename(self.content, self.target)
        flush(self.target.parent)
        self.discard()

    def clear(self) -> None:
        """Begin anew: remove what an earlier run left."""
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def discard(self) -> None:
        """Remove what is unfinished, and the folder with it."""
        shutil.rmtree(self.folder)


def check_target(
    target: Path, *, overwrite: bool, writes: Iterable[str], inputs: Iterable[str]
) -> None:
    """Refuse to lose anything: an output that exists, an input, files not of this merge."""
    folder = not target.name.endswith(SUFFIX)
    if not os.path.lexists(target) or (folder and is_empty_folder(target)):
        return
    if not overwrite:
        raise FileExistsError(
            f"merge: the output {str(target)!r} exists; choose another name, or say overwrite=True "
            f"(--overwrite): it is then replaced once the new one is complete"
        )
    if not (target.is_symlink() or target.is_file() or target.is_dir()):
        raise MergeError(
            f"merge: the output {str(target)!r} is a device, a pipe or a socket; name a file or a "
            f"folder"
        )
    for path in map(Path, inputs):
        if path.resolve().is_relative_to(target.resolve()):
            raise MergeError(
                f"merge: the output {str(target)!r} holds the input {str(path)!r}; "
                f"choose another name"
            )
    foreign = sorted(_files_in(target) - set(writes))
    if foreign:
        raise MergeError(
            f"merge: {str(target)!r} holds files that this merge would not write again: "
            f"{', '.join(foreign[:10])}{', ...' if len(foreign) > 10 else ''}; "
            f"move them away, or choose another name"
        )


def is_empty_folder(path: Path) -> bool:
    """Whether a folder is there, itself and no link to one, with nothing in it."""
    return path.is_dir() and not path.is_symlink() and next(path.iterdir(), None) is None


def _files_in(folder: Path) -> set[str]:
    if folder.is_symlink() or not folder.is_dir():
        return set()
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def _lock(folder: Path) -> int:
    """A descriptor of the folder, made if need be, that holds its lock until it is closed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # whoever held it before may have finished and removed the folder meanwhile
            if folder.exists() and os.path.samestat(os.fstat(held), os.stat(folder)):
                return held
        except BaseException:
            os.close(held)
            raise
        os.close(held)
