"""The layout that `taujp data prepare` writes, the same for every task.

    ROOT/prepared/NAME/{train,validation,test}/CLASS/IMAGE

CLASS is the class as the data set's files call it, with '/' written as '_' (`folder_name`).
"""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.class_folders import class_folders
from taujp.data.splits import RawSplits

PREPARED = "prepared"


def prepared_folder(root: Path, name: str) -> Path:
    """Where a task's prepared splits are."""
    return root / PREPARED / name


def folder_name(file_class: str) -> str:
    """A class as a folder name."""
    return file_class.replace("/", "_")


def prepared_layout(root: Path, name: str, file_classes: tuple[str, ...]) -> RawSplits:
    """The splits under ROOT/prepared/NAME; `file_classes` in the order of the labels."""
    folders = tuple(map(folder_name, file_classes))
    base = prepared_folder(root, name).relative_to(root)
    # holding validation out of a small data set may leave a class to one of the two
    train, validation = (
        class_folders(root, base / split, folders, fewest=0) for split in ("train", "validation")
    )
    test = class_folders(root, base / "test", folders)
    return RawSplits(train, validation, test)
