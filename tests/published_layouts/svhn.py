"""Street View House Numbers: two .mat files with images last and zero as ten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from published_layouts.mnist import labels
from published_layouts.pictures import pixels


def raw(folder: Path, train: int = 40, test: int = 20) -> None:
    """train_32x32.mat and test_32x32.mat."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", train), ("test", test)):
        digits = labels(count)
        images = [pixels(label, f"{part}{i}", 32) for i, label in enumerate(digits.tolist())]
        answers = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
        content = {"X": np.stack(images, axis=-1), "y": answers}
        savemat(folder / f"{part}_32x32.mat", content, do_compression=True)


def earlier(root: Path, **options: int) -> None:
    """Under svhn."""
    raw(root / "svhn", **options)
