"""Files with the names of their classes as labelled images, in ImageFolder's order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from taujp.data.images import ListedImages
from taujp.data.layouts.class_folders import ENDINGS
from taujp.data.layouts.prepared import folder_name
from taujp.data.task import Task


def images_by_class(root: Path, files: Iterable[tuple[str, str]], task: Task) -> ListedImages:
    """Images of (class name, file relative to `root`), ordered by class folder, then file name.

    ValueError names a file whose class is none of the task's; FileNotFoundError one that a list
    has and the folder has not.
    """
    index, rows = task.class_index(), []
    for name, file in files:
        label = index.find(name)
        if label is None:
            raise ValueError(
                f"{task.name}: '{file}' is of the class '{name}', which the task does not have; "
                f"expected one of {list(task.file_classes[:5])} ...; rename its folder, or unpack "
                "the download again"
            )
        rows.append((folder_name(task.file_classes[label]), Path(file).name, file, label))
    rows.sort()
    for _, _, file, _ in rows:
        if not (root / file).is_file():
            raise FileNotFoundError(
                f"{task.name}: the image '{file}' is listed and is not under '{root}'; expected "
                "every listed image; unpack the download again"
            )
    files_in_order, labels = [row[2] for row in rows], [row[3] for row in rows]
    return ListedImages(root, files_in_order, labels, task.file_classes)


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


def image_names(folder: Path) -> list[str]:
    """The names of the images in a folder, sorted."""
    return sorted(e.name for e in folder.iterdir() if e.name.lower().endswith(ENDINGS))
