"""One folder a class, images in it: FOLDER/CLASS/IMAGE, the order of torchvision's ImageFolder.

Labels go by the folders' names, never by their order. A class may lie deeper (b/bakery/shop).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from taujp.data.class_index import ClassIndex
from taujp.data.images import ListedImages

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def class_folders(
    root: Path,
    folder: str | Path,
    classes: tuple[str, ...],
    *,
    also: tuple[tuple[str, ...], ...] = (),
    fewest: int = 1,
) -> ListedImages:
    """The images under root / folder; `classes` name the folders in the order of the labels.

    `also` lists other names the classes may go by. Every class needs `fewest` images. Folders
    that are no class, and classes without images, are an error that lists them.
    """
    index = ClassIndex.of(classes, *also)
    found = list(classes)
    files: list[str] = []
    labels: list[int] = []
    unknown = []
    for class_folder, image_files in folders_of_images(root, folder):
        label, name = _longest_known(class_folder, index)
        if label is None:
            unknown.append(class_folder)
            continue
        found[label] = name
        files.extend(f"{Path(folder).as_posix()}/{file}" for file in image_files)
        labels.extend([label] * len(image_files))
    _refuse_faults(root / folder, classes, labels, unknown, fewest)
    return ListedImages(root, files, labels, tuple(found))


def folders_of_images(root: Path, folder: str | Path) -> Iterator[tuple[str, list[str]]]:
    """(folder, its images' paths) relative to root / folder, sorted as ImageFolder sorts."""
    base = root / folder
    if not base.is_dir():
        raise FileNotFoundError(
            f"class_folders: there is no folder '{Path(folder).as_posix()}' under '{root}'; "
            "expected one folder a class in it; give the right --root, or run `taujp data prepare`"
        )
    tops = [entry.name for entry in os.scandir(base) if entry.is_dir()]
    for top in sorted(name for name in tops if not name.startswith(".")):
        for current, _, names in sorted(os.walk(base / top, followlinks=True)):
            images = sorted(name for name in names if name.lower().endswith(ENDINGS))
            if images:
                relative = Path(current).relative_to(base).as_posix()
                yield relative, [f"{relative}/{name}" for name in images]


def _longest_known(class_folder: str, index: ClassIndex) -> tuple[int | None, str]:
    parts = class_folder.split("/")
    for depth in range(len(parts), 0, -1):
        name = "/".join(parts[:depth])
        if (label := index.find(name)) is not None:
            return label, name
    return None, class_folder


def _refuse_faults(
    base: Path, classes: tuple[str, ...], labels: list[int], unknown: list[str], fewest: int
) -> None:
    counts = [0] * len(classes)
    for label in labels:
        counts[label] += 1
    short = [name for name, count in zip(classes, counts, strict=True) if count < fewest]
    faults = [f"{_some(unknown)} are no class of the task"] * bool(unknown)
    faults += [f"the classes {_some(short)} have fewer than {fewest} images"] * bool(short)
    if faults:
        raise ValueError(
            f"class_folders: under '{base}' {' and '.join(faults)}; expected a folder with images "
            f"for each of {len(classes)} classes and no other; unpack the data set again, or "
            "rename the folders"
        )


def _some(names: list[str], most: int = 5) -> str:
    return f"{names[:most]}" + f" and {len(names) - most} more" * (len(names) > most)
