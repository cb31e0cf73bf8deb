"""Describable Textures: 47 words for how a surface looks."""

from __future__ import annotations

from pathlib import Path

from taujp.data.class_lists import read_classes
from taujp.data.layouts.class_folders import class_folders
from taujp.data.splits import RawSplits
from taujp.data.task import task

FOLDERS = read_classes("dtd")


@task(
    "dtd",
    classes=tuple(name.replace("_", " ") for name in FOLDERS),
    templates=(
        "a photo of a {} texture.",
        "a photo of a {} pattern.",
        "a photo of a {} thing.",
        "a photo of a {} object.",
        "a photo of the {} texture.",
        "a photo of the {} pattern.",
        "a photo of the {} thing.",
        "a photo of the {} object.",
    ),
    counts=(3384, 376, 1880),
    epochs=76,
    hub="tanganke/dtd",
    file_classes=FOLDERS,
)
def dtd(root: Path) -> RawSplits:
    """dtd/{train,val}/CLASS. The papers test on `val`, which must hold no image of `train`."""
    return RawSplits(
        class_folders(root, "dtd/train", FOLDERS), None, class_folders(root, "dtd/val", FOLDERS)
    )
