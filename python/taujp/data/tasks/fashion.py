"""Fashion-MNIST: photographs of clothes, 28 x 28, a subset that ships with the package."""

from __future__ import annotations

from pathlib import Path

from taujp.data.arrays import ArrayImages, read_arrays
from taujp.data.demo_model import ASSETS
from taujp.data.splits import RawSplits
from taujp.data.task import task


@task(
    "fashion",
    classes=(
        "t shirt",
        "jeans",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "athletic shoe",
        "handbag",
        "boot",
    ),
    templates=("{}", "womans {}", "black {}"),
)
def fashion(root: Path) -> RawSplits:
    """3,300 training images (a tenth of them validation) and 1,000 of the official test set."""
    arrays = read_arrays(ASSETS / "fashion.npz")
    train = ArrayImages(arrays["train_images"], arrays["train_labels"], "fashion.npz:train")
    test = ArrayImages(arrays["test_images"], arrays["test_labels"], "fashion.npz:test")
    return RawSplits(train, None, test)
