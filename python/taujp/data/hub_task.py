"""A task from a Hugging Face image data set: find_task("hub:NAME_OR_FOLDER")."""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.hub import hub_layout
from taujp.data.splits import RawSplits
from taujp.data.task import Task

TEMPLATES = ("a photo of a {}",)


def hub_task(
    source: str | Path,
    *,
    templates: tuple[str, ...] = TEMPLATES,
    image: str | None = None,
    label: str | None = None,
) -> Task:
    """The data set's own classes in its own order; `image` and `label` name columns if need be.

    `source` is a folder or NAME[:CONFIGURATION] on the hub; the task's name is its last part.
    """
    raw = hub_layout(source, image=image, label=label)
    names = raw.train.classes
    if names is None or raw.test.classes != names:
        raise ValueError(
            f"hub: the labels of '{source}' have no names, or others in test ({raw.test.classes}) "
            f"than in train ({names}); expected a ClassLabel column; write a task file with the "
            "classes"
        )
    texts = tuple(name.replace("_", " ") for name in names)
    name = str(source).rstrip("/").rsplit("/", 1)[-1].partition(":")[0]

    def layout(root: Path) -> RawSplits:
        return raw

    return Task(name, texts, templates, layout, hub=str(source), file_classes=names)
