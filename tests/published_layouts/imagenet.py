"""ImageNet-1k: training images by WordNet id, a flat validation folder and its devkit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from published_layouts.pictures import write_lines, write_picture
from taujp.data.class_lists import read_classes

CLASSES = read_classes("imagenet")
DEVKIT = "ILSVRC2012_devkit_t12"


def raw(folder: Path, train: int = 1, val: int = 1) -> None:
    """The unpacked train and val archives and the devkit, whose ids are not in WordNet order."""
    _training(folder / "train", train)
    identifiers = np.random.default_rng(0).permutation(len(CLASSES)) + 1
    labels = np.random.default_rng(1).permutation(np.tile(np.arange(len(CLASSES)), val))
    for index, label in enumerate(labels.tolist(), start=1):
        write_picture(folder / "val" / f"ILSVRC2012_val_{index:08d}.JPEG", label)
    data = folder / DEVKIT / "data"
    truth = [str(identifiers[label]) for label in labels]
    write_lines(data / "ILSVRC2012_validation_ground_truth.txt", truth)
    savemat(data / "meta.mat", {"synsets": _synsets(identifiers.tolist())})


def earlier(root: Path, train: int = 1, val: int = 1) -> None:
    """imagenet/{train,val}/WORDNET_ID."""
    _training(root / "imagenet" / "train", train)
    for label, name in enumerate(CLASSES):
        for number in range(val):
            file = f"ILSVRC2012_val_{label * val + number + 1:08d}.JPEG"
            write_picture(root / "imagenet" / "val" / name / file, label)


def _training(folder: Path, count: int) -> None:
    for label, name in enumerate(CLASSES):
        for number in range(count):
            write_picture(folder / name / f"{name}_{number + 1}.JPEG", label)


def _synsets(identifiers: list[int]) -> np.ndarray:
    """As in the devkit: the thousand classes by id, then one that is above them."""
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children")
    wordnet = {identifier: CLASSES[label] for label, identifier in enumerate(identifiers)}
    rows = [(i, wordnet[i], f"words {i}", f"gloss {i}", 0, []) for i in sorted(wordnet)]
    rows += [(1001, "n00001740", "entity", "what is", 2, [1, 2])]
    table = np.empty((len(rows), 1), dtype=[(field, object) for field in fields])
    for index, row in enumerate(rows):
        table[index, 0] = row
    return table
