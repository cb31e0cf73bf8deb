"""Describable Textures: images by class and ten published splits in text files."""

from __future__ import annotations

from pathlib import Path

from published_layouts.pictures import write_lines, write_picture

CLASSES = tuple(
    [
        "banded",
        "blotchy",
        "braided",
        "bubbly",
        "bumpy",
        "chequered",
        "cobwebbed",
        "cracked",
        "crosshatched",
        "crystalline",
        "dotted",
        "fibrous",
        "flecked",
        "freckled",
        "frilly",
        "gauzy",
        "grid",
        "grooved",
        "honeycombed",
        "interlaced",
        "knitted",
        "lacelike",
        "lined",
        "marbled",
        "matted",
        "meshed",
        "paisley",
        "perforated",
        "pitted",
        "pleated",
        "polka-dotted",
        "porous",
        "potholed",
        "scaly",
        "smeared",
        "spiralled",
        "sprinkled",
        "stained",
        "stratified",
        "striped",
        "studded",
        "swirly",
        "veined",
        "waffled",
        "woven",
        "wrinkled",
        "zigzagged",
    ]
)


def raw(folder: Path, each: int = 1) -> None:
    """dtd-r1.0.1.tar.gz: `each` images a class for each of train, val and test of split 1."""
    for label, name in enumerate(CLASSES):
        for number in range(1, 3 * each + 1):
            write_picture(folder / "dtd" / "images" / name / f"{name}_{number:04d}.jpg", label)
    numbers = range(1, 3 * each + 1)
    for split in range(1, 11):
        for place, part in enumerate(("train", "val", "test")):
            chosen = [n for n in numbers if (n + split) % 3 == place]
            lines = [f"{name}/{name}_{n:04d}.jpg" for name in CLASSES for n in chosen]
            write_lines(folder / "dtd" / "labels" / f"{part}{split}.txt", lines)
    joint = [f"{name}/{name}_{n:04d}.jpg {name}" for name in CLASSES for n in numbers]
    write_lines(folder / "dtd" / "labels" / "labels_joint_anno.txt", joint)


def earlier(root: Path, train: int = 2, test: int = 1) -> None:
    """dtd/{train,val}/CLASS: val is the test split."""
    for label, name in enumerate(CLASSES):
        for number in range(1, train + test + 1):
            split = "train" if number <= train else "val"
            write_picture(root / "dtd" / split / name / f"{name}_{number:04d}.jpg", label)
