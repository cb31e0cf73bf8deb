"""German Traffic Signs: class folders for training, a table of labels for the final test."""

from __future__ import annotations

import csv
from pathlib import Path

from taujp.data.images import ListedImages
from taujp.data.layouts.class_folders import class_folders
from taujp.data.layouts.needed import check_labels, damaged, needed
from taujp.data.splits import RawSplits

TABLE = "GT-final_test.csv"


def signs_layout(root: Path, folder: str, classes: tuple[str, ...]) -> RawSplits:
    """FOLDER/GTSRB/Training/00000, FOLDER/GTSRB/Final_Test/Images and FOLDER/GT-final_test.csv.

    The table may also lie in FOLDER/GTSRB or beside the test images.
    """
    images = f"{folder}/GTSRB/Final_Test/Images"
    needed(root, images)
    places = [f"{place}/{TABLE}" for place in (folder, f"{folder}/GTSRB", images)]
    table = next((place for place in places if (root / place).exists()), places[0])
    files, labels = _labelled(root, table)
    check_labels(table, labels, len(classes))
    train = class_folders(root, f"{folder}/GTSRB/Training", classes)
    test = ListedImages(root, [f"{images}/{file}" for file in files], labels, train.classes)
    return RawSplits(train, None, test)


def _labelled(root: Path, table: str) -> tuple[list[str], list[int]]:
    with needed(root, table).open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";", skipinitialspace=True))
    try:
        return [row["Filename"] for row in rows], [int(row["ClassId"]) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        columns = list(rows[0]) if rows else []
        raise damaged(table, f"has the columns {columns}", "Filename and ClassId") from error
