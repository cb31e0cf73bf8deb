"""SUN397: 397 kinds of scenes."""

from __future__ import annotations

from pathlib import Path

from taujp.data.class_lists import read_classes
from taujp.data.layouts.class_folders import class_folders
from taujp.data.splits import RawSplits
from taujp.data.task import task

SCENES = read_classes("sun397")
# 'b/bakery/shop' is 'bakery shop' in words: the first letter's folder is no part of the name.
CLASSES = tuple(scene[2:].replace("/", " ").replace("_", " ") for scene in SCENES)


@task(
    "sun397",
    classes=CLASSES,
    templates=("a photo of a {}.", "a photo of the {}."),
    counts=(17865, 1985, 19850),
    epochs=14,
    hub="tanganke/sun397",
    file_classes=SCENES,
)
def sun397(root: Path) -> RawSplits:
    """sun397/{train,val}/CLASS; the papers test on `val`.

    CLASS is a_abbey, a/abbey or abbey: with or without the two-character prefix.
    """
    train = class_folders(root, "sun397/train", SCENES, also=(CLASSES,))
    test = class_folders(root, "sun397/val", SCENES, also=(CLASSES,))
    return RawSplits(train, None, test)
