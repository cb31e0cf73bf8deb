"""Writes the small arrays of the tasks that ship: fashion, letters and symbols."""

from __future__ import annotations

import gzip
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from demo_model.fonts import HELD_OUT_TEST, HELD_OUT_TRAIN, FontPackage, font_files
from demo_model.glyphs import CANVAS, render
from taujp.data.tasks.symbols import SIGNS

SIZE = 28
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_TRAIN, FASHION_TEST = 3300, 1000

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def write_all(folder: Path) -> None:
    """Writes the three .npz files and prints their sizes."""
    capitals = {letter.upper(): label for label, letter in enumerate(ascii_lowercase)}
    small = {letter: label for label, letter in enumerate(ascii_lowercase)}
    signs = {sign: label for label, sign in enumerate(SIGNS)}
    write(folder / "fashion.npz", fashion("train", FASHION_TRAIN), fashion("t10k", FASHION_TEST))
    for name, labels in (("letters", small | capitals), ("symbols", signs)):
        write(
            folder / f"{name}.npz",
            characters(HELD_OUT_TRAIN, labels),
            characters(HELD_OUT_TEST, labels),
        )


def write(path: Path, train: Pair, test: Pair) -> None:
    """One task's arrays, compressed."""
    np.savez_compressed(
        path,
        train_images=train[0],
        train_labels=train[1],
        test_images=test[0],
        test_labels=test[1],
    )
    print(f"{path.name}: {len(train[0])} train, {len(test[0])} test, {path.stat().st_size:,} bytes")


def fashion(part: str, count: int) -> Pair:
    """The first `count` images of a part of Fashion-MNIST (its order is random), balanced."""
    images = read_idx(FASHION_FOLDER / f"{part}-images-idx3-ubyte.gz", 3)
    labels = read_idx(FASHION_FOLDER / f"{part}-labels-idx1-ubyte.gz", 1)
    classes = int(labels.max()) + 1
    chosen = np.concatenate(
        [np.flatnonzero(labels == c)[: count // classes] for c in range(classes)]
    )
    chosen.sort()
    return images[chosen], labels[chosen]


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An array in the IDX format of MNIST: a magic number, big-endian sizes, bytes."""
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def characters(packages: tuple[FontPackage, ...], labels: dict[str, int]) -> Pair:
    """Every character in every font of the packages, white on black, centred by its ink."""
    images, chosen = [], []
    for path in (path for package in packages for path in font_files(package)):
        font = ImageFont.truetype(str(path), CANVAS * 3 // 4)
        for character, label in labels.items():
            pixels = render(font, character, CANVAS)
            if pixels is None:
                continue
            small = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BOX)
            images.append(np.asarray(small))
            chosen.append(label)
    return np.stack(images), np.array(chosen, dtype=np.uint8)
