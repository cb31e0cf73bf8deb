"""ImageNet-1k: the control task; names and captions are those that open_clip carries."""

from __future__ import annotations

from pathlib import Path

from taujp.data.class_lists import read_classes
from taujp.data.imagenet_names import imagenet_classes, imagenet_templates
from taujp.data.layouts.class_folders import class_folders
from taujp.data.splits import RawSplits
from taujp.data.task import task

FOLDERS = read_classes("imagenet")


@task(
    "imagenet",
    classes=imagenet_classes(),
    templates=imagenet_templates(),
    counts=(1276167, 5000, 50000),
    file_classes=FOLDERS,
)
def imagenet(root: Path) -> RawSplits:
    """imagenet/{train,val}/WORDNET_ID; imagenet/val_in_folder is preferred to val."""
    sorted_val = (root / "imagenet" / "val_in_folder").is_dir()
    train = class_folders(root, "imagenet/train", FOLDERS)
    test = class_folders(root, f"imagenet/{'val_in_folder' if sorted_val else 'val'}", FOLDERS)
    return RawSplits(train, None, test)
