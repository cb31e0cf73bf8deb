"""A task's images divided into environments: by a column of their table, or by their folders."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taujp.data.images import Images, PickedImages

if TYPE_CHECKING:
    from taujp.data.task import Task

FILE = ("file", "filename", "file_name", "image", "path")  # a listing's column of image files


def by_column(images: Images, column: str) -> dict[str, Images]:
    """Environments by a column of the Hugging Face data set that the images are rows of.

    One environment for each value, in the order of the values as text. ValueError for images of
    another kind, and for a column that is not there.
    """
    return divided(images, _column(images, column))


def by_listing(images: Images, listing: str | Path, column: str) -> dict[str, Images]:
    """Environments by a column of a CSV file that lists the images by their names.

    The file's first row names its columns; one of them is 'file' (or filename, image, path) and
    holds an image's name as the task has it, or the end of that name. ValueError for an image that
    the listing does not have.
    """
    values = _listed(Path(listing), column)
    found = [_value_of(images.name(row), values) for row in range(len(images))]
    missing = [images.name(row) for row, value in enumerate(found) if value is None]
    if missing:
        raise ValueError(
            f"by_listing: '{listing}' has no row for {len(missing)} of {len(images)} images, such "
            f"as '{missing[0]}'; expected one for each; write its name, relative to the root, into "
            "the listing"
        )
    return divided(images, [str(value) for value in found])


def by_folders(task: Task, folders: Mapping[str, Path]) -> dict[str, Images]:
    """Environments of a task's classes, FOLDER/CLASS/IMAGE or FOLDER/train/CLASS/IMAGE each."""
    from taujp.data.layouts.class_folders import class_folders

    found: dict[str, Images] = {}
    for name, folder in folders.items():
        inner = "train" if (folder / "train").is_dir() else "."
        also = (task.classes,)
        found[name] = class_folders(folder, inner, task.file_classes, also=also, fewest=0)
    return found


def divided(images: Images, values: Sequence[str]) -> dict[str, Images]:
    """Row i goes to the environment values[i]; environments in the order of their names."""
    if len(values) != len(images):
        raise ValueError(
            f"divided: {len(values)} values for {len(images)} images; expected one an image"
        )
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        rows.setdefault(value, []).append(row)
    return {name: PickedImages(images, rows[name]) for name in sorted(rows)}


def _column(images: Images, column: str) -> list[str]:
    if isinstance(images, PickedImages):
        inner = _column(images.images, column)
        return [inner[index] for index in images.indices]
    from taujp.data.hub_images import HubImages

    if not isinstance(images, HubImages):
        raise ValueError(
            f"by_column: column '{column}' of {type(images).__name__}; expected rows of a Hugging "
            "Face data set; for images in files write a CSV listing (csv:FILE:COLUMN)"
        )
    names = list(images.rows.column_names)
    if column not in names:
        raise ValueError(
            f"by_column: '{images.file}' has no column '{column}'; expected one of {names}"
        )
    values = list(images.rows[column])
    if None in values:
        raise ValueError(
            f"by_column: column '{column}' of '{images.file}' is empty in {values.count(None)} "
            "rows; expected a value in each; fill it in, or leave these rows out"
        )
    return [str(value) for value in values]


def _listed(listing: Path, column: str) -> dict[str, str]:
    with listing.open(newline="", encoding="utf-8-sig") as stream:
        table = csv.DictReader(stream)
        names = list(table.fieldnames or ())
        file = next((name for name in FILE if name in names), None)
        if column not in names or file is None:
            raise ValueError(
                f"by_listing: '{listing}' has the columns {names}; expected '{column}' and one of "
                f"{list(FILE)}; name them in its first row"
            )
        return {Path(row[file]).as_posix(): row[column] for row in table}


def _value_of(name: str, values: Mapping[str, str]) -> str | None:
    """Of the listed file that is `name`, or its longest end."""
    parts = name.split("/")
    ends = ("/".join(parts[depth:]) for depth in range(len(parts)))
    return next((values[end] for end in ends if end in values), None)
