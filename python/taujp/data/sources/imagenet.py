"""ImageNet 2012 as its archives unpack: train/WNID/*.JPEG, all of val in one folder, the devkit.

The devkit (ILSVRC2012_devkit_t12/data) says which class the validation images are of; they are the
test images of the task, and validation is held out of training.
"""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.class_folders import class_folders
from taujp.data.sources.by_class import folders_in, image_names, images_by_class
from taujp.data.split_lists import read_list
from taujp.data.splits import RawSplits
from taujp.data.task import Task

DEVKIT = "ILSVRC2012_devkit_t12/data"
TRUTH, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"


def read(folder: Path, task: Task, seed: int) -> RawSplits | None:
    """Training and test images; the seed draws nothing here. None for val with a folder a class,
    which the layout reads."""
    base = folder / "imagenet" if (folder / "imagenet" / "val").is_dir() else folder
    val = base / "val"
    if not (base / "train").is_dir() or not val.is_dir() or folders_in(val):
        return None
    places = (base / DEVKIT, folder / DEVKIT)
    devkit = next((place for place in places if place.is_dir()), places[0])
    numbers = [int(line) for line in read_list(devkit / TRUTH, "imagenet")]
    files = image_names(val)
    if len(files) != len(numbers):
        raise ValueError(
            f"imagenet: '{val}' has {len(files)} images and '{devkit / TRUTH}' {len(numbers)} "
            "lines; expected one line an image; unpack ILSVRC2012_img_val.tar again"
        )
    wnids = _wnids(devkit / META)
    test = [(wnids[number], f"val/{file}") for number, file in zip(numbers, files, strict=True)]
    train = class_folders(base, "train", task.file_classes)
    return RawSplits(train, None, images_by_class(base, test, task))


def _wnids(path: Path) -> dict[int, str]:
    """The WordNet name of each class number of the ground truth."""
    from scipy.io import loadmat

    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"imagenet: '{path}' cannot be read ({error}); expected the devkit's synsets; unpack "
            "ILSVRC2012_devkit_t12.tar.gz again"
        ) from error
