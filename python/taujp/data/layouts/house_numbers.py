"""SVHN's cropped digits: .mat files with the images along the last axis and zero as class 10."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from taujp.data.arrays import ArrayImages
from taujp.data.layouts.matlab import read_matlab
from taujp.data.layouts.needed import check_labels, damaged
from taujp.data.splits import RawSplits


def house_numbers_layout(root: Path, folder: str, classes: tuple[str, ...]) -> RawSplits:
    """FOLDER/{train,test}_32x32.mat: X uint8 [32, 32, 3, n] and y [n] with 10 for zero."""
    train, test = (_part(root, f"{folder}/{part}_32x32.mat", classes) for part in ("train", "test"))
    return RawSplits(train, None, test)


def _part(root: Path, file: str, classes: tuple[str, ...]) -> ArrayImages:
    images = read_matlab(root, file, "X")
    labels = np.atleast_1d(read_matlab(root, file, "y")).astype(np.int64)
    if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.shape[3] != len(labels):
        found = f"has images {images.shape} and {len(labels)} labels"
        raise damaged(file, found, "[32, 32, 3, n] and n labels")
    labels = np.where(labels == 10, 0, labels)
    check_labels(file, labels.tolist(), len(classes))
    return ArrayImages(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels, file, classes)
