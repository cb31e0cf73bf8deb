"""SUN397: JPEGs by scene in folders of the scene's first letter, and ten published partitions."""

from __future__ import annotations

from pathlib import Path

from published_layouts.pictures import write_lines, write_picture
from taujp.data.class_lists import read_classes

CLASSES = read_classes("sun397")


def raw(folder: Path, train: int = 2, test: int = 1) -> None:
    """SUN397.tar.gz and Partitions.zip; one image a scene is in neither list of partition 1."""
    lists: dict[str, list[str]] = {"Training": [], "Testing": []}
    for label, scene in enumerate(CLASSES):
        names = [_name(label, number) for number in range(train + test + 1)]
        for name in names:
            write_picture(folder / "SUN397" / scene / name, label)
        lists["Training"] += [f"/{scene}/{name}" for name in names[:train]]
        lists["Testing"] += [f"/{scene}/{name}" for name in names[train : train + test]]
    scenes = [f"/{scene}" for scene in CLASSES]
    for place in ("SUN397", "Partitions"):
        write_lines(folder / place / "ClassName.txt", scenes)
    for part, lines in lists.items():
        for partition in range(1, 11):
            write_lines(folder / "Partitions" / f"{part}_{partition:02d}.txt", lines)


def earlier(root: Path, train: int = 2, test: int = 1) -> None:
    """sun397/{train,val}/a_abbey: val is the test split."""
    for label, scene in enumerate(CLASSES):
        for number in range(train + test):
            split = "train" if number < train else "val"
            folder = root / "sun397" / split / scene.replace("/", "_")
            write_picture(folder / _name(label, number), label)


def _name(label: int, number: int) -> str:
    letters = "".join(chr(ord("a") + int(digit)) for digit in f"{label:03d}{number:03d}")
    return f"sun_{letters}.jpg"
