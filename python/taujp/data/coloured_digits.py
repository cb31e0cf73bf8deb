"""Coloured Digits: the colour predicts the label better than the shape, until it is reversed.

The test bed of Arjovsky et al. 2019 (arXiv 1907.02893, section 5.2) made of scikit-learn's digits:

    y = [digit < 5], flipped with probability 0.25
    colour = y, flipped with probability 0.1 and 0.2 in training, 0.9 in test

so the shape alone is right 75 % of the time everywhere, the colour 80-90 % in training and 10 % in
test. Every environment has a third of the 1,797 images to itself. The noise is drawn ten times an
image: drawn once, a network learns it by heart and no method finds the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taujp.data.arrays import ArrayImages
from taujp.data.environments import EnvironmentImages, EnvironmentTask

if TYPE_CHECKING:
    from torch import Tensor

CLASSES = ("five or more", "less than five")
TEMPLATES = ("a digit of {}", "{}")


def coloured_digits(
    seed: int = 0,
    *,
    draws: int = 10,
    label_noise: float = 0.25,
    colour_noise: Sequence[float] = (0.1, 0.2),
    test_colour_noise: float = 0.9,
    validation_share: float = 0.1,
) -> EnvironmentTask:
    """Red and green digits of 8 x 8 pixels; label 1 and red: less than five.

    colour_noise: how often the colour contradicts the label, an environment each. seed: of the
    division into environments and of all noise. Validation has `validation_share` of an
    environment's digits, in all their draws.
    """
    shades, digits = _digits()
    generator = np.random.default_rng(seed)
    parts = np.array_split(generator.permutation(len(digits)), len(colour_noise) + 1)

    def painted(rows: NDArray[Any], colour_noise: float, name: str) -> ArrayImages:
        rows = np.repeat(rows, draws)
        labels = (digits[rows] < 5) ^ (generator.random(len(rows)) < label_noise)
        red = labels ^ (generator.random(len(rows)) < colour_noise)
        images = np.zeros((len(rows), 8, 8, 3), np.uint8)
        images[np.arange(len(rows)), :, :, np.where(red, 0, 1)] = shades[rows]
        return ArrayImages(images, labels.astype(np.int64), f"coloured_digits:{name}", CLASSES)

    environments = {}
    for noise, rows in zip(colour_noise, parts, strict=False):
        kept, name = round(len(rows) * validation_share), name_of(noise)
        environments[name] = EnvironmentImages(
            painted(rows[kept:], noise, f"{name}:train"),
            painted(rows[:kept], noise, f"{name}:validation"),
        )
    every = (*colour_noise, test_colour_noise)
    test = {name_of(noise): painted(parts[-1], noise, f"{name_of(noise)}:test") for noise in every}
    unseen = name_of(test_colour_noise)
    return EnvironmentTask("coloured_digits", CLASSES, TEMPLATES, environments, test, unseen)


def name_of(colour_noise: float) -> str:
    """The environment where the colour contradicts the label this often."""
    return f"colour_{colour_noise:g}"


def two_channels(image: Any) -> Tensor:
    """The transform for small networks: red and green in [0, 1] as float32 [2, 8, 8]."""
    import torch

    return torch.from_numpy(np.asarray(image)[..., :2].transpose(2, 0, 1) / np.float32(255))


def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Shades uint8 [n, 8, 8] and digits [n]."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * (255 / 16)).round().astype(np.uint8), data.target
