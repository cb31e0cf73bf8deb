"""STL-10: binary files, each image three channels of columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from published_layouts.mnist import labels
from published_layouts.pictures import pixels, write_lines

CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]


def raw(folder: Path, train: int = 20, test: int = 10) -> None:
    """stl10_binary.tar.gz, with few unlabelled images."""
    base = folder / "stl10_binary"
    write_lines(base / "class_names.txt", CLASSES)
    write_lines(base / "fold_indices.txt", [" ".join(map(str, range(train // 2)))] * 10)
    for part, count in (("train", train), ("test", test), ("unlabeled", 3)):
        digits = labels(count)
        images = [pixels(label, f"{part}{i}", 96) for i, label in enumerate(digits.tolist())]
        columns = np.stack(images).transpose(0, 3, 2, 1)
        (base / f"{part}_X.bin").write_bytes(columns.tobytes())
        if part != "unlabeled":
            (base / f"{part}_y.bin").write_bytes((digits + 1).astype(np.uint8).tobytes())


def earlier(root: Path, **options: int) -> None:
    """Under stl10."""
    raw(root / "stl10", **options)
