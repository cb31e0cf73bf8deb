"""Scikit-learn's handwritten digits: 1,797 images of 8 x 8 with 17 grey levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from taujp.data.arrays import ArrayImages
from taujp.data.splits import RawSplits
from taujp.data.task import task

TEST_IMAGES = 500


@task(
    "digits",
    classes=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    templates=("digit {}", "{}", "bold digit {}"),
)
def digits(root: Path) -> RawSplits:
    """A random 500 are test; a tenth of the rest is validation."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images * (255 / 16)).round().astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    test, train = order[:TEST_IMAGES], order[TEST_IMAGES:]
    return RawSplits(
        ArrayImages(images[train], data.target[train], "digits:train"),
        None,
        ArrayImages(images[test], data.target[test], "digits:test"),
    )
