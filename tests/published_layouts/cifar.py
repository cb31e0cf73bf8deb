"""CIFAR-10 and CIFAR-100 for Python: pickled batches of rows of 3 x 32 x 32 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from published_layouts.pictures import pixels
from published_layouts.python2_pickle import python2_pickle
from taujp.data.class_lists import read_classes

CLASSES10 = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
CLASSES100 = read_classes("cifar100")


def raw10(folder: Path, each_batch: int = 10, test: int = 20) -> None:
    """cifar-10-python.tar.gz: five training batches and one of test images."""
    base = folder / "cifar-10-batches-py"
    counts = {f"data_batch_{number}": each_batch for number in range(1, 6)} | {"test_batch": test}
    for name, count in counts.items():
        labels = [(index * 7) % 10 for index in range(count)]
        content = {"batch_label": name, "labels": labels, **_images(name, labels)}
        _write(base / name, content)
    meta = {"num_cases_per_batch": each_batch, "label_names": CLASSES10, "num_vis": 3072}
    _write(base / "batches.meta", meta)


def raw100(folder: Path, train: int = 200, test: int = 100) -> None:
    """cifar-100-python.tar.gz, with fine and coarse labels."""
    base = folder / "cifar-100-python"
    for name, count in (("train", train), ("test", test)):
        fine = [(index * 7) % 100 for index in range(count)]
        labels = {"fine_labels": fine, "coarse_labels": [label // 5 for label in fine]}
        _write(base / name, {"batch_label": name, **labels, **_images(name, fine)})
    coarse = [f"superclass_{number}" for number in range(20)]
    _write(base / "meta", {"fine_label_names": list(CLASSES100), "coarse_label_names": coarse})


def _images(name: str, labels: list[int]) -> dict[str, object]:
    each = [pixels(label, f"{name}{index}", 32) for index, label in enumerate(labels)]
    rows = np.stack(each).transpose(0, 3, 1, 2).reshape(len(labels), -1)
    return {"data": rows, "filenames": [f"{name}_{index}.png" for index in range(len(labels))]}


def _write(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(python2_pickle(content))
