"""Rotated digits: every environment turns its digits by an angle of its own.

As Rotated MNIST (Ghifary et al. 2015, arXiv 1508.07680), of scikit-learn's digits. Nothing is
reversed here: the test angle is one that training never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taujp.data.arrays import ArrayImages
from taujp.data.environments import EnvironmentImages, EnvironmentTask

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEMPLATES = ("digit {}", "{}")


def rotated_digits(
    seed: int = 0,
    *,
    angles: Sequence[float] = (0, 15, 30, 45),
    test_angle: float = 75,
    size: int = 16,
    validation_share: float = 0.1,
) -> EnvironmentTask:
    """Grey digits of size x size pixels, turned counter-clockwise by `angles` degrees.

    The 1,797 images are divided evenly among the angles, the test angle's part included. seed: of
    that division. Validation has `validation_share` of an environment's images.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    parts = np.array_split(order, len(angles) + 1)

    def turned(rows: NDArray[Any], angle: float, name: str) -> ArrayImages:
        images = np.stack([_turned(data.images[row], angle, size) for row in rows])
        return ArrayImages(images, data.target[rows], f"rotated_digits:{name}", CLASSES)

    environments = {}
    for angle, rows in zip(angles, parts, strict=False):
        kept, name = round(len(rows) * validation_share), name_of(angle)
        environments[name] = EnvironmentImages(
            turned(rows[kept:], angle, f"{name}:train"),
            turned(rows[:kept], angle, f"{name}:validation"),
        )
    every, unseen = (*angles, test_angle), name_of(test_angle)
    test = {name_of(angle): turned(parts[-1], angle, f"{name_of(angle)}:test") for angle in every}
    return EnvironmentTask("rotated_digits", CLASSES, TEMPLATES, environments, test, unseen)


def name_of(angle: float) -> str:
    """The environment whose digits are turned by this angle."""
    return f"angle_{angle:g}"


def _turned(shades: NDArray[Any], angle: float, size: int) -> NDArray[np.uint8]:
    """Shades 0-16 [8, 8] as uint8 [size, size]; enlarged first, so that lines stay lines."""
    from PIL import Image

    image = Image.fromarray((shades * (255 / 16)).round().astype(np.uint8))
    large = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(large.rotate(angle, Image.Resampling.BILINEAR))
