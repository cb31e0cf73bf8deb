"""Unpacks .zip and .tar archives of data sets; nothing in one can be written outside its folder."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
ENDINGS = (".zip", *TAR_ENDINGS)


class UnsafeArchive(ValueError):
    """An archive that would write outside the folder it is unpacked into."""


def unpack(archive: Path, folder: Path) -> None:
    """All files of the archive under `folder`, which is made.

    UnsafeArchive for a member whose path leads out of the folder, or that is a link or a device,
    before anything of it is written. ValueError for an archive that is damaged or of another kind.
    """
    try:
        if archive.name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                _write_all(_zip_files(opened, archive), folder)
        elif archive.name.endswith(TAR_ENDINGS):
            with tarfile.open(archive) as opened_tar:
                _write_all(_tar_files(opened_tar, archive), folder)
        else:
            raise ValueError(
                f"unpack: '{archive}' ends in none of {', '.join(ENDINGS)}; unpack it yourself"
            )
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError) as error:
        raise ValueError(
            f"unpack: '{archive}' cannot be unpacked: {error}; download it again, or make room"
        ) from error


def _write_all(files: Iterator[tuple[PurePosixPath, IO[bytes]]], folder: Path) -> None:
    for path, source in files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("xb") as written:
            shutil.copyfileobj(source, written, 1 << 20)


def _zip_files(opened: zipfile.ZipFile, archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    members = [member for member in opened.infolist() if not member.is_dir()]
    for member in members:
        kind = member.external_attr >> 28  # the Unix file type; 0 where none is told
        if kind not in (0, 8):
            raise _unsafe(archive, member.filename, "is a link or a device")
    paths = [_inside(archive, member.filename) for member in members]
    for path, member in zip(paths, members, strict=True):
        yield path, opened.open(member)


def _tar_files(opened: tarfile.TarFile, archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    members = [member for member in opened.getmembers() if not member.isdir()]
    for member in members:
        if not member.isfile():
            raise _unsafe(archive, member.name, "is a link or a device")
    paths = [_inside(archive, member.name) for member in members]
    for path, member in zip(paths, members, strict=True):
        source = opened.extractfile(member)
        assert source is not None  # it is a file
        yield path, source


def _inside(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise _unsafe(archive, name, "leads out of the folder")
    return path


def _unsafe(archive: Path, name: str, why: str) -> UnsafeArchive:
    return UnsafeArchive(
        f"unpack: '{archive}' has the member '{name}', which {why}; expected plain files below "
        "one folder; nothing was unpacked; do not trust this archive"
    )
