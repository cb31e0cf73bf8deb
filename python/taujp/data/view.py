"""A folder seen as if its archives were unpacked where they belong; the folder stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

from taujp.data.archives import unpack
from taujp.data.downloads import Download


def view_of(folder: Path, download: Download, working: Path) -> Path:
    """A folder in `working` of pointers to what is in `folder`, and of what its archives hold.

    Files given without the folder they belong in (GTSRB without gtsrb/) are seen inside it. What
    is unpacked already goes before what is in an archive.
    """
    view = working / "view"
    inner = view / download.folder
    inner.mkdir(parents=True)
    given = folder / download.folder
    _point(view, folder)
    _point(inner, given if given.is_dir() else folder)
    for number, archive in enumerate(download.archives_in(folder)):
        unpacked = working / f"archive-{number}"
        unpack(archive, unpacked)
        _merge(unpacked, inner)
    return view


def _point(view: Path, folder: Path) -> None:
    """A symbolic link to everything in the folder that is not hidden and not there yet."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"prepare: there is no folder '{folder}'; expected the data set's files in it; give "
            "the right --root or --from"
        )
    for entry in folder.iterdir():
        if not entry.name.startswith(".") and not (view / entry.name).exists():
            (view / entry.name).symlink_to(entry.resolve())


def _merge(unpacked: Path, into: Path) -> None:
    """Moves what is not there yet; folders of one name become one."""
    for entry in unpacked.iterdir():
        target = into / entry.name
        if not target.exists():
            os.replace(entry, target)
        elif entry.is_dir() and target.is_dir():
            if target.is_symlink():
                pointed = target.resolve()
                target.unlink()
                target.mkdir()
                _point(target, pointed)
            _merge(entry, target)
