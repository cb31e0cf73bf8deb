"""A task from a folder of images: find_task("folder:PATH")."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from taujp.data.layouts.class_folders import class_folders
from taujp.data.splits import RawSplits
from taujp.data.task import Task

TEMPLATES = ("a photo of a {}",)
VALIDATION, TEST = ("validation", "val", "valid"), ("test",)


def folder_task(folder: str | Path, *, templates: tuple[str, ...] = TEMPLATES) -> Task:
    """FOLDER/{train,test}/CLASS/IMAGE, with FOLDER/validation (or val) if it is there.

    The classes are the folders of train in the order of their names; '_' reads as a space. With
    train and val alone, val is the test data and validation is held out of train. The name is
    the folder's.
    """
    path = Path(folder).expanduser().resolve()
    train = path / "train"
    folders = [entry.name for entry in train.glob("[!.]*") if entry.is_dir()]
    names = tuple(sorted(folders))
    if not names:
        raise ValueError(
            f"folder: '{train}' has no folders; expected one a class with its images, and the "
            f"same in '{path / 'test'}'; sort the images so, or write a task file"
        )
    texts = tuple(name.replace("_", " ") for name in names)
    layout = partial(_layout, path, names)
    return Task(path.name, texts, templates, layout, file_classes=names)


def _layout(folder: Path, names: tuple[str, ...], root: Path) -> RawSplits:
    validation = next((name for name in VALIDATION if (folder / name).is_dir()), None)
    test = next((name for name in TEST if (folder / name).is_dir()), None)
    if test is None and validation is None:
        raise FileNotFoundError(
            f"folder: '{folder}' has no folder 'test'; expected one a class in it, as in 'train'; "
            "split the images, or write a task file"
        )
    if test is None:
        test, validation = validation, None
    return RawSplits(
        class_folders(folder, "train", names),
        class_folders(folder, validation, names, fewest=0) if validation else None,
        class_folders(folder, str(test), names, fewest=0),
    )
