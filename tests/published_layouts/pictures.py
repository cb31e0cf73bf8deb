"""Images that show their own label, so that a test sees whether the right one was loaded."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16
LEVELS, STEP = 10, 25  # a label is three digits, each a level of one channel


def pixels(label: int, key: str, side: int = SIDE) -> np.ndarray:
    """uint8 [side, side, 3]: the left half's colour is the label, the right half is the key's."""
    image = np.random.default_rng(zlib.crc32(key.encode())).integers(
        0, 256, (side, side, 3), dtype=np.uint8
    )
    digits = [label // LEVELS**place % LEVELS for place in range(3)]
    image[:, : side // 2] = [digit * STEP + STEP // 2 for digit in digits]
    return image


def grey_pixels(label: int, key: str, side: int) -> np.ndarray:
    """The same, uint8 [side, side], for up to ten labels."""
    return pixels(label, key, side)[..., 0]


def label_of(image: Image.Image) -> int:
    """The label that a decoded image shows, JPEG's losses or not."""
    shown = np.asarray(image.convert("RGB"), dtype=float)
    side = shown.shape[1] // 2
    digits = np.floor(shown[2 : side - 2, 2 : side - 2].mean(axis=(0, 1)) / STEP).astype(int)
    places = 1 if image.mode == "L" else 3
    return int(sum(digit * LEVELS**place for place, digit in enumerate(digits[:places])))


def write_picture(path: Path, label: int) -> None:
    """A JPEG, PNG or PPM by its ending; folder and file name are its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels(label, f"{path.parent.name}/{path.name}"))
    if path.suffix.lower() in (".jpg", ".jpeg"):
        image.save(path, "JPEG", quality=95, subsampling=0)
    else:
        image.save(path)


def write_lines(path: Path, lines: list[str]) -> None:
    """A text file of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
