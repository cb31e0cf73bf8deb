"""A copy of a data set as the Hugging Face hub has them, read with the classes of a task."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from taujp.data.hub_images import HubImages, in_order_of
from taujp.data.images import Images
from taujp.data.layouts.hub import hub_layout
from taujp.data.splits import RawSplits
from taujp.data.task import Task

HUB = "hub"


def is_hub_copy(source: str | Path) -> bool:
    """Whether a source is "hub", "hub:NAME" or "hub:FOLDER"."""
    return str(source) == HUB or str(source).startswith(f"{HUB}:")


def hub_copy(source: str | Path, task: Task) -> RawSplits:
    """The images of "hub:NAME[:CONFIGURATION]" or "hub:FOLDER" ("hub": the task's usual copy).

    Labels are matched by the names of the classes; ValueError where a name is none of the task's.
    """
    asked = str(source).removeprefix(HUB).removeprefix(":") or task.hub
    if not asked:
        raise ValueError(
            f"prepare: '{task.name}' has no usual copy on the hub; expected hub:NAME or hub:FOLDER"
        )
    raw = hub_layout(asked)

    def in_order(images: Images) -> Images:
        return in_order_of(cast(HubImages, images), task.class_index(), len(task.classes))

    validation = None if raw.validation is None else in_order(raw.validation)
    return RawSplits(in_order(raw.train), validation, in_order(raw.test))
