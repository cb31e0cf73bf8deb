"""What a task is: its classes in the order of the labels, caption templates, and its splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taujp.data.class_index import ClassIndex
from taujp.data.layouts.prepared import prepared_folder, prepared_layout
from taujp.data.splits import RawSplits, Splits, WholeSplits

Transform = Callable[[Any], Any]
Layout = Callable[[Path], RawSplits]

registered: dict[str, Task] = {}


@dataclass(frozen=True)
class Task:
    """An image classification task as CLIP sees it.

    `classes[label]` is the text of a label; every template has one `{}` for it. `layout(root)`
    reads the images; a task whose images come with a package ignores `root`. `counts` are the
    images of train, validation and test that the data set has, `epochs` make about 2,000 steps,
    `hub` is its usual copy on the Hugging Face hub, and `file_classes[label]` is a class as the
    data set's own files call it, where that is not its text: then two texts may be the same.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    layout: Layout
    counts: tuple[int, int, int] | None = None
    epochs: int | None = None
    hub: str | None = None
    file_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.file_classes or self.classes
        object.__setattr__(self, "file_classes", names)
        if len(set(names)) != len(names) or not self.classes:
            raise ValueError(
                f"task: '{self.name}' has the classes {list(names)}; expected at least one and no "
                "class twice; list every class once, in the order of the labels"
            )
        wrong = [template for template in self.templates if template.count("{}") != 1]
        if wrong or not self.templates:
            raise ValueError(
                f"task: '{self.name}' has the templates {wrong or 'none'}; expected exactly one "
                "'{}' in each; write for example 'a photo of a {}'"
            )
        if len(self.file_classes) != len(self.classes):
            raise ValueError(
                f"task: '{self.name}' has {len(self.classes)} classes and "
                f"{len(self.file_classes)} file_classes; expected one for each class, or none"
            )

    def class_index(self) -> ClassIndex:
        """Finds a label by the name that a file has, or by the text of the class."""
        return ClassIndex.of(self.file_classes, self.classes)

    def raw(self, root: str | Path = ".") -> RawSplits:
        """The images as their files give them: what `taujp data prepare` wrote, if it is there,
        else the published layout."""
        if prepared_folder(Path(root), self.name).is_dir():
            return prepared_layout(Path(root), self.name, self.file_classes)
        return self.layout(Path(root))

    def images(self, root: str | Path = ".") -> WholeSplits:
        """The images of train, validation and test, before any transform."""
        return self.raw(root).with_validation()

    def splits(self, transform: Transform, *, root: str | Path = ".") -> Splits:
        """Train, validation and test data sets of (transform(image), label)."""
        from taujp.data.transformed import Transformed

        images = self.images(root)
        return Splits(
            Transformed(images.train, transform),
            Transformed(images.validation, transform),
            Transformed(images.test, transform),
        )


def task(
    name: str,
    *,
    classes: tuple[str, ...],
    templates: tuple[str, ...] = ("a photo of a {}",),
    counts: tuple[int, int, int] | None = None,
    epochs: int | None = None,
    hub: str | None = None,
    file_classes: tuple[str, ...] = (),
) -> Callable[[Layout], Task]:
    """Registers a layout `root -> RawSplits` as a task; the function becomes the Task."""

    def register(layout: Layout) -> Task:
        if name in registered and registered[name].layout.__module__ != layout.__module__:
            raise ValueError(
                f"task: '{name}' is registered by {registered[name].layout.__module__} and again "
                f"by {layout.__module__}; expected names to be unique; rename one"
            )
        registered[name] = Task(
            name, tuple(classes), tuple(templates), layout, counts, epochs, hub, tuple(file_classes)
        )
        return registered[name]

    return register
