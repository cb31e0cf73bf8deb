"""Images into the prepared layout: files are linked, what has no file of its own becomes a PNG."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from taujp.data.hub_images import HubImages
from taujp.data.images import Images, ListedImages, PickedImages
from taujp.data.layouts.prepared import folder_name

Place = Callable[[Path, Path], None]  # from, to


def hard_link(source: Path, target: Path) -> None:
    """The same file under a second name, which takes no room; a copy on another file system."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        copy(source, target)


def symbolic_link(source: Path, target: Path) -> None:
    """A pointer to the file, which must stay where it is."""
    target.symlink_to(source)


def copy(source: Path, target: Path) -> None:
    """A file of its own."""
    shutil.copyfile(source, target)


ENCODED = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg"}  # how a file begins
PLACES: dict[str, Place] = {"hard": hard_link, "symbolic": symbolic_link, "copy": copy}


def place_split(images: Images, folder: Path, classes: tuple[str, ...], place: Place) -> None:
    """Every image into folder / class / its name; all class folders are made.

    Two files of one name in a class keep their folders' names before it. The encoded images of a
    hub copy are written as they are.
    """
    for name in classes:
        (folder / folder_name(name)).mkdir(parents=True)
    for index in range(len(images)):
        class_folder = folder / folder_name(classes[images.label(index)])
        whole, row = _unpicked(images, index)
        if isinstance(whole, ListedImages):
            file = (whole.root / whole.files[row]).resolve(strict=True)
            place(file, _free(class_folder, whole.files[row]))
        else:
            _write(whole, row, class_folder)


def _unpicked(images: Images, index: int) -> tuple[Images, int]:
    """The images that others were picked from, and the index among them."""
    if isinstance(images, PickedImages):
        return _unpicked(images.images, images.indices[index])
    return images, index


def _free(folder: Path, name: str) -> Path:
    target = folder / PurePosixPath(name).name
    return folder / name.replace("/", "_") if target.exists() else target


def _write(images: Images, index: int, folder: Path) -> None:
    """'train_32x32.mat#7' becomes 'train_32x32.mat-000007.png': sorted as they were."""
    file, _, number = PurePosixPath(images.name(index)).name.rpartition("#")
    name = f"{file}-{int(number):06d}"
    if isinstance(images, HubImages):
        encoded = images.content(index)
        if ending := next((e for start, e in ENCODED.items() if encoded.startswith(start)), None):
            (folder / f"{name}{ending}").write_bytes(encoded)
            return
    images.open(index).save(folder / f"{name}.png")
