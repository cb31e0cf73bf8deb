"""CIFAR's batches for Python: pickled rows of 3 x 32 x 32 pixels, read without running anything."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taujp.data.arrays import ArrayImages
from taujp.data.layouts.needed import check_labels, check_names, damaged, needed
from taujp.data.pickled_array import ArrayUnpickler
from taujp.data.splits import RawSplits

SHAPE = (3, 32, 32)


@dataclass(frozen=True)
class CifarFiles:
    """How one of the two data sets calls its files and what is in them."""

    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str


CIFAR10 = CifarFiles(
    "cifar-10-batches-py",
    tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test_batch",
    "batches.meta",
    "labels",
    "label_names",
)
CIFAR100 = CifarFiles(
    "cifar-100-python", ("train",), "test", "meta", "fine_labels", "fine_label_names"
)


def cifar_layout(root: Path, files: CifarFiles, classes: tuple[str, ...]) -> RawSplits:
    """The batches of training images in their order, and those of test."""
    meta = f"{files.folder}/{files.meta}"
    names = tuple(map(str, _read(root, meta, files.names)))
    check_names(meta, names, classes)
    train = [_batch(root, f"{files.folder}/{name}", files, names) for name in files.train]
    images, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    test = _batch(root, f"{files.folder}/{files.test}", files, names)
    return RawSplits(
        ArrayImages(images, labels, f"{files.folder}/train", names),
        None,
        ArrayImages(*test, f"{files.folder}/test", names),
    )


def _batch(
    root: Path, file: str, files: CifarFiles, names: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    rows = _read(root, file, "data")
    labels = check_labels(file, _read(root, file, files.labels), len(names))
    if rows.dtype != np.uint8 or rows.shape != (len(labels), int(np.prod(SHAPE))):
        found = f"has rows {rows.shape} of {rows.dtype} and {len(labels)} labels"
        raise damaged(file, found, f"uint8 rows of {int(np.prod(SHAPE))}, one a label")
    images = np.ascontiguousarray(rows.reshape(-1, *SHAPE).transpose(0, 2, 3, 1))
    return images, np.array(labels, np.int64)


def _read(root: Path, file: str, key: str) -> Any:
    with needed(root, file).open("rb") as opened:
        try:
            return ArrayUnpickler(opened, encoding="latin1").load()[key]
        except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
            raise damaged(file, f"cannot be read ({error})", f"a batch with '{key}'") from error
