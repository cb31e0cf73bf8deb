"""NWPU-RESISC45: 45 kinds of scenes seen from above."""

from __future__ import annotations

from pathlib import Path

from taujp.data.class_lists import read_classes
from taujp.data.layouts.class_folders import class_folders
from taujp.data.layouts.listed_names import picked_by_list
from taujp.data.splits import RawSplits
from taujp.data.task import task

FOLDERS = read_classes("resisc45")
VIEWS = tuple(
    f"{kind} {view}" for view in ("imagery", "photo", "view") for kind in ("satellite", "aerial")
)
CAPTIONS = tuple(f"{view} of {article}{{}}." for article in ("", "a ", "the ") for view in VIEWS)


@task(
    "resisc45",
    classes=tuple(name.replace("_", " ") for name in FOLDERS),
    templates=CAPTIONS,
    counts=(17010, 1890, 6300),
    epochs=15,
    hub="tanganke/resisc45",
    file_classes=FOLDERS,
)
def resisc45(root: Path) -> RawSplits:
    """resisc45/NWPU-RESISC45/CLASS and resisc45/resisc45-{train,test}.txt.

    The papers hold validation out of train and leave resisc45-val.txt unused.
    """
    images = class_folders(root, "resisc45/NWPU-RESISC45", FOLDERS)
    train = picked_by_list(root, images, "resisc45/resisc45-train.txt")
    test = picked_by_list(root, images, "resisc45/resisc45-test.txt")
    return RawSplits(train, None, test)
