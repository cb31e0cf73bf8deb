"""Every fault that can be planted in a data set is named with its file and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from scipy.io import loadmat, savemat

from published_layouts.every import PUBLISHED
from small_layouts import small
from taujp.data import find_task
from taujp.data.check import check


@dataclass(frozen=True)
class Planted:
    """A fault of a task's files: how it is made, the file that must be named, and the words."""

    task: str
    plant: Callable[[Path], object]
    file: str
    found: str
    advice: str


def swap(path: Path, variable: str) -> None:
    names = loadmat(path)[variable]
    names[0, [3, 4]] = names[0, [4, 3]]
    savemat(path, {variable: names})


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def val_is_train(root: Path) -> None:
    shutil.rmtree(root / "dtd/val")
    shutil.copytree(root / "dtd/train", root / "dtd/val")


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


SPLITS = "EuroSAT_splits"
PLANTED = {
    "missing split list": Planted(
        "resisc45",
        lambda root: (root / "resisc45/resisc45-test.txt").unlink(),
        "resisc45/resisc45-test.txt",
        "is missing",
        "unpack",
    ),
    "missing split folder": Planted(
        "dtd", lambda root: shutil.rmtree(root / "dtd/val"), "dtd/val", "no folder", "root"
    ),
    "missing labels": Planted(
        "gtsrb",
        lambda root: (root / "gtsrb/GT-final_test.csv").unlink(),
        "gtsrb/GT-final_test.csv",
        "is missing",
        "unpack",
    ),
    "swapped class order": Planted(
        "cars",
        lambda root: swap(root / "stanford_cars/devkit/cars_meta.mat", "class_names"),
        "stanford_cars/devkit/cars_meta.mat",
        "calls class 3 'Acura TSX Sedan 2012'; expected 'Acura TL Type-S 2008'",
        "unpack",
    ),
    "swapped names of batches": Planted(
        "cifar10",
        lambda root: rewrite(
            root / "cifar-10-batches-py/batches.meta",
            lambda b: (
                b.replace(b"bird", b"----").replace(b"deer", b"bird").replace(b"----", b"deer")
            ),
        ),
        "cifar-10-batches-py/batches.meta",
        "calls class 2 'deer'",
        "unpack",
    ),
    "duplicate in test": Planted(
        "eurosat",
        lambda root: shutil.copy(
            root / SPLITS / "train/Forest/Forest_train1.jpg", root / SPLITS / "test/Forest/b.jpg"
        ),
        f"{SPLITS}/test/Forest/b.jpg",
        f"in test and, as '{SPLITS}/train/Forest/Forest_train1.jpg', in train",
        "remove one",
    ),
    "duplicate in validation, as another file": Planted(
        "eurosat",
        lambda root: (root / SPLITS / "val/Forest/b.jpg").write_bytes(
            (root / SPLITS / "train/Forest/Forest_train1.jpg").read_bytes() + b"trailing"
        ),
        f"{SPLITS}/val/Forest/b.jpg",
        "in validation and",
        "remove one",
    ),
    "corrupt JPEG": Planted(
        "dtd",
        lambda root: rewrite(root / "dtd/train/banded/banded_0001.jpg", half),
        "dtd/train/banded/banded_0001.jpg",
        "cannot be decoded",
        "download this file again",
    ),
    "page in place of an image": Planted(
        "dtd",
        lambda root: (root / "dtd/val/grid/grid_0003.jpg").write_text("<html>404"),
        "dtd/val/grid/grid_0003.jpg",
        "cannot be decoded",
        "download this file again",
    ),
    "lost image": Planted(
        "cars",
        lambda root: (root / "stanford_cars/cars_train/00003.jpg").unlink(),
        "stanford_cars/cars_train/00003.jpg",
        "No such file",
        "download this file again",
    ),
    "SUN397-style prefix": Planted(
        "dtd",
        lambda root: (root / "dtd/train/banded").rename(root / "dtd/train/b_banded"),
        "dtd/train",
        "['b_banded'] are no class of the task and the classes ['banded']",
        "rename the folders",
    ),
    "wrong SUN397 prefix": Planted(
        "sun397",
        lambda root: (root / "sun397/train/a_abbey").rename(root / "sun397/train/b_abbey"),
        "sun397/train",
        "['b_abbey'] are no class",
        "rename the folders",
    ),
    "DTD with val = train": Planted(
        "dtd", val_is_train, "dtd/val", "85 of 94 images of test are in train", "is a copy"
    ),
    "test list with training images": Planted(
        "resisc45",
        lambda root: rewrite(root / "resisc45/resisc45-test.txt", lambda b: b + b"wetland_001.jpg"),
        "resisc45/NWPU-RESISC45/wetland/wetland_001.jpg",
        "in test and",
        "remove one",
    ),
    "empty class": Planted(
        "dtd", lambda root: emptied(root / "dtd/val/grid"), "dtd/val", "['grid'] have", "unpack"
    ),
    "truncated .mat": Planted(
        "svhn",
        lambda root: rewrite(root / "svhn/train_32x32.mat", half),
        "svhn/train_32x32.mat",
        "cannot be read",
        "download it again",
    ),
    "truncated .bin": Planted(
        "stl10",
        lambda root: rewrite(root / "stl10/stl10_binary/test_X.bin", half),
        "stl10/stl10_binary/test_X.bin",
        "bytes; expected 10 images",
        "download it again",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(tmp_path, name):
    planted = PLANTED[name]
    PUBLISHED[planted.task].earlier(tmp_path)
    planted.plant(tmp_path)
    faults = check(small(planted.task), tmp_path).faults
    fault = next((fault for fault in faults if fault.file == planted.file), None)
    assert fault is not None, list(map(str, faults))
    assert planted.found in fault.found
    assert planted.advice in fault.advice
    assert len(faults) == (2 if name == "DTD with val = train" else 1), list(map(str, faults))


def test_wrong_counts_are_told_beside_the_published_ones(tmp_path):
    PUBLISHED["dtd"].earlier(tmp_path)
    found = [fault.found for fault in check(find_task("dtd"), tmp_path, quick=True).faults]
    assert found == [
        "train has 85 images; the published split has 3384",
        "validation has 9 images; the published split has 376",
        "test has 47 images; the published split has 1880",
    ]
