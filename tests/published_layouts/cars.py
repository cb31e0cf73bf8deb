"""Stanford Cars: numbered JPEGs and .mat annotations; the archives of the data set's page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from published_layouts.pictures import write_picture
from taujp.data.class_lists import read_classes

CLASSES = read_classes("cars")
BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def raw(folder: Path, train: int = 2, test: int = 1, classes: Sequence[str] = CLASSES) -> None:
    """cars_train.tgz, cars_test.tgz, car_devkit.tgz and cars_test_annos_withlabels.mat."""
    labels = list(range(len(CLASSES)))
    _part(folder, "cars_train", folder / "devkit" / "cars_train_annos.mat", labels * train)
    _part(folder, "cars_test", folder / "cars_test_annos_withlabels.mat", labels[::-1] * test)
    names = np.empty((1, len(classes)), dtype=object)
    names[0, :] = list(classes)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names})
    _annotations(folder / "devkit" / "cars_test_annos.mat", None, len(labels) * test)
    (folder / "devkit" / "README.txt").write_text("class: starts from 1\n")


def earlier(root: Path, **options: int) -> None:
    """Under stanford_cars."""
    raw(root / "stanford_cars", **options)


def _part(folder: Path, name: str, annotations: Path, labels: list[int]) -> None:
    for index, label in enumerate(labels):
        write_picture(folder / name / f"{index + 1:05d}.jpg", label)
    _annotations(annotations, labels, len(labels))


def _annotations(path: Path, labels: list[int] | None, count: int) -> None:
    fields = (*BOX, "class", "fname") if labels is not None else (*BOX, "fname")
    rows = np.empty((1, count), dtype=[(field, object) for field in fields])
    for index in range(count):
        values = {"bbox_x1": 1, "bbox_y1": 1, "bbox_x2": 9, "bbox_y2": 9}
        row = {**values, "fname": f"{index + 1:05d}.jpg"}
        if labels is not None:
            row["class"] = labels[index] + 1
        rows[0, index] = tuple(row[field] for field in fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"annotations": rows})
