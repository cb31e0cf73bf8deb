"""MNIST's idx files, gzipped or not."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taujp.data.arrays import ArrayImages
from taujp.data.layouts.needed import check_labels, damaged
from taujp.data.splits import RawSplits

UINT8 = 8


def idx_layout(root: Path, folder: str, classes: tuple[str, ...]) -> RawSplits:
    """FOLDER/{train,t10k}-{images-idx3,labels-idx1}-ubyte, or the same with .gz."""
    train, test = (_part(root, f"{folder}/{part}", classes) for part in ("train", "t10k"))
    return RawSplits(train, None, test)


def _part(root: Path, part: str, classes: tuple[str, ...]) -> ArrayImages:
    images = read_idx(root, f"{part}-images-idx3-ubyte", dimensions=3)
    labels = read_idx(root, f"{part}-labels-idx1-ubyte", dimensions=1)
    if len(images) != len(labels):
        file = f"{part}-labels-idx1-ubyte"
        raise damaged(file, f"has {len(labels)} labels", f"{len(images)}, one an image")
    check_labels(f"{part}-labels-idx1-ubyte", labels.tolist(), len(classes))
    return ArrayImages(images, labels, f"{part}-images-idx3-ubyte", classes)


def read_idx(root: Path, file: str, *, dimensions: int) -> NDArray[np.uint8]:
    """The uint8 array of an idx file: two zeros, type, dimensions, big-endian sizes, values."""
    content = _content(root, file)
    head = 4 + 4 * dimensions
    if len(content) < head or content[:4] != bytes((0, 0, UINT8, dimensions)):
        raise damaged(file, "has another beginning", f"an idx file of {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    if len(content) - head != int(np.prod(shape, dtype=np.int64)):
        raise damaged(file, f"has {len(content) - head} values", f"{shape} of them")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _content(root: Path, file: str) -> bytes:
    if (root / file).exists():
        return (root / file).read_bytes()
    if not (root / f"{file}.gz").exists():
        raise FileNotFoundError(
            f"layout: neither '{file}' nor '{file}.gz' is under '{root}'; expected MNIST's four "
            "files; put them there, or give the right --root"
        )
    try:
        return gzip.decompress((root / f"{file}.gz").read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(f"{file}.gz", f"cannot be unpacked ({error})", "gzip") from error
