"""German Traffic Signs: 43 signs, described in words."""

from __future__ import annotations

from pathlib import Path

from taujp.data.class_lists import read_classes
from taujp.data.layouts.signs import signs_layout
from taujp.data.splits import RawSplits
from taujp.data.task import task

CLASSES = read_classes("gtsrb")
FOLDERS = tuple(f"{number:05d}" for number in range(len(CLASSES)))


@task(
    "gtsrb",
    classes=CLASSES,
    templates=(
        'a zoomed in photo of a "{}" traffic sign.',
        'a centered photo of a "{}" traffic sign.',
        'a close up photo of a "{}" traffic sign.',
    ),
    counts=(23976, 2664, 12630),
    epochs=11,
    hub="tanganke/gtsrb",
    file_classes=FOLDERS,
)
def gtsrb(root: Path) -> RawSplits:
    """gtsrb/GTSRB/{Training,Final_Test/Images} and gtsrb/GT-final_test.csv."""
    return signs_layout(root, "gtsrb", FOLDERS)
