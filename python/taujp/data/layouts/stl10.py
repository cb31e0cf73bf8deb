"""STL-10's binary files: bytes of images, three channels of columns each, and labels from 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from taujp.data.arrays import ArrayImages
from taujp.data.layouts.needed import check_labels, check_names, damaged, needed
from taujp.data.splits import RawSplits

SHAPE = (3, 96, 96)


def stl10_layout(root: Path, folder: str, classes: tuple[str, ...]) -> RawSplits:
    """FOLDER/{train,test}_{X,y}.bin and FOLDER/class_names.txt; unlabelled images are left out."""
    names = tuple(needed(root, f"{folder}/class_names.txt").read_text().split())
    check_names(f"{folder}/class_names.txt", names, classes)
    train, test = (_part(root, f"{folder}/{part}", names) for part in ("train", "test"))
    return RawSplits(train, None, test)


def _part(root: Path, part: str, names: tuple[str, ...]) -> ArrayImages:
    labels = np.fromfile(needed(root, f"{part}_y.bin"), np.uint8).astype(np.int64) - 1
    check_labels(f"{part}_y.bin", labels.tolist(), len(names))
    values = np.fromfile(needed(root, f"{part}_X.bin"), np.uint8)
    size = int(np.prod(SHAPE))
    if values.size != len(labels) * size:
        found = f"has {values.size} bytes"
        raise damaged(f"{part}_X.bin", found, f"{len(labels)} images of {size}, one a label")
    images = values.reshape(-1, *SHAPE).transpose(0, 3, 2, 1)
    return ArrayImages(np.ascontiguousarray(images), labels, f"{part}_X.bin", names)
