"""STL-10: ten kinds of objects and animals, 96 x 96."""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.stl10 import stl10_layout
from taujp.data.splits import RawSplits
from taujp.data.task import task

CLASSES = (
    "airplane",
    "bird",
    "car",
    "cat",
    "deer",
    "dog",
    "horse",
    "monkey",
    "ship",
    "truck",
)


@task(
    "stl10",
    classes=CLASSES,
    templates=("a photo of a {}.", "a photo of the {}."),
    counts=(4500, 500, 8000),
    hub="tanganke/stl10",
)
def stl10(root: Path) -> RawSplits:
    """stl10/stl10_binary."""
    return stl10_layout(root, "stl10/stl10_binary", CLASSES)
