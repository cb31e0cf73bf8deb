"""What the tests of `taujp data` share: tasks on small layouts, and what their splits hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from taujp.data import Images, Task, WholeSplits, find_task


def small(name: str) -> Task:
    """The task without its published counts, which small layouts do not have."""
    return replace(find_task(name), counts=None)


def parts(images: WholeSplits) -> tuple[Images, Images, Images]:
    """Train, validation, test."""
    return images.train, images.validation, images.test


def file_names(images: WholeSplits) -> list[list[str]]:
    """Each split's file names without folders, sorted."""
    return [sorted(PurePosixPath(p.name(i)).name for i in range(len(p))) for p in parts(images)]


def fill(folder: Path, name: str, count: int) -> list[str]:
    """`count` numbered empty files; their names."""
    return fill_with(folder, [f"{name}_{number}.jpg" for number in range(count)])


def fill_with(folder: Path, files: list[str]) -> list[str]:
    """These empty files in a new folder."""
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).touch()
    return files
