"""Describable Textures (dtd-r1.0.1.tar.gz): dtd/images/CLASS/*.jpg, dtd/labels/*1.txt.

The first of its ten partitions, as the task-arithmetic papers: train1 and val1 are for training,
test1 is test. A published copy of the split has validation images in training; this has not, since
validation is held out of train1 + val1.
"""

from __future__ import annotations

from pathlib import Path

from taujp.data.sources.by_class import images_by_class
from taujp.data.split_lists import read_list
from taujp.data.splits import RawSplits
from taujp.data.task import Task


def read(folder: Path, task: Task, seed: int) -> RawSplits | None:
    """Both splits by the published lists; the seed draws nothing here."""
    base = folder / "dtd" if (folder / "dtd" / "images").is_dir() else folder
    if not (base / "images").is_dir() or not (base / "labels").is_dir():
        return None
    train, validation, test = (
        read_list(base / "labels" / f"{part}1.txt", "dtd") for part in ("train", "val", "test")
    )
    _refuse_overlap(base, set(train) | set(validation), set(test))

    def listed(lines: list[str]) -> list[tuple[str, str]]:
        return [(line.split("/")[0], f"images/{line}") for line in lines]

    training = images_by_class(base, listed(train + validation), task)
    return RawSplits(training, None, images_by_class(base, listed(test), task))


def _refuse_overlap(base: Path, training: set[str], test: set[str]) -> None:
    if both := sorted(training & test):
        raise ValueError(
            f"dtd: '{base / 'labels' / 'test1.txt'}' lists {len(both)} images that train1.txt or "
            f"val1.txt has too, as '{both[0]}'; expected disjoint lists; unpack the labels again"
        )
