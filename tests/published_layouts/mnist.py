"""MNIST: four gzipped idx files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from published_layouts.pictures import grey_pixels


def raw(folder: Path, train: int = 40, test: int = 20) -> None:
    """The four archives as downloaded."""
    _write(folder, "train", train, unpacked=False)
    _write(folder, "t10k", test, unpacked=False)


def earlier(root: Path, train: int = 40, test: int = 20) -> None:
    """MNIST/raw as torchvision leaves it: the archives and what was in them."""
    _write(root / "MNIST" / "raw", "train", train, unpacked=True)
    _write(root / "MNIST" / "raw", "t10k", test, unpacked=True)


def labels(count: int) -> np.ndarray:
    """The labels of `count` images."""
    return (np.arange(count) * 7 % 10).astype(np.uint8)


def _write(folder: Path, part: str, count: int, *, unpacked: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    each = [grey_pixels(label, f"{part}{i}", 28) for i, label in enumerate(labels(count).tolist())]
    images = struct.pack(">IIII", 0x803, count, 28, 28) + np.stack(each).tobytes()
    answers = struct.pack(">II", 0x801, count) + labels(count).tobytes()
    for name, content in (("images-idx3", images), ("labels-idx1", answers)):
        (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(content))
        if unpacked:
            (folder / f"{part}-{name}-ubyte").write_bytes(content)
