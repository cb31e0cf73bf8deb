"""Letters A-Z, small and capital, rendered from font families the demo's model never saw."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase

from taujp.data.arrays import ArrayImages, read_arrays
from taujp.data.demo_model import ASSETS
from taujp.data.splits import RawSplits
from taujp.data.task import task


@task(
    "letters",
    classes=tuple(ascii_lowercase),
    templates=("latin small letter {}", "latin capital letter {}", "letter {}"),
)
def letters(root: Path) -> RawSplits:
    """Training and test images come from different font families."""
    arrays = read_arrays(ASSETS / "letters.npz")
    train = ArrayImages(arrays["train_images"], arrays["train_labels"], "letters.npz:train")
    test = ArrayImages(arrays["test_images"], arrays["test_labels"], "letters.npz:test")
    return RawSplits(train, None, test)
