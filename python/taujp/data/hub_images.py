"""Images in a Hugging Face data set: rows of one of its splits."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taujp.data.images import UnreadableImage

if TYPE_CHECKING:
    from PIL.Image import Image

    from taujp.data.class_index import ClassIndex


@dataclass(frozen=True, eq=False)
class HubImages:
    """Rows whose `column` holds encoded images (not decoded by `datasets`), with their labels."""

    rows: Any
    column: str
    labels: Sequence[int]
    file: str
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def label(self, index: int) -> int:
        """The row's label."""
        return int(self.labels[index])

    def name(self, index: int) -> str:
        """The split and the row, 'train#7'."""
        return f"{self.file}#{range(len(self))[index]}"

    def open(self, index: int) -> Image:
        """The row's image decoded to RGB."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self.content(index))) as image:
                return image.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableImage(
                f"open: '{self.name(index)}' is not a readable image ({error}); expected a whole "
                "image in every row; fetch the data set again"
            ) from error

    def content(self, index: int) -> bytes:
        """The bytes of the encoded image."""
        cell = self.rows[index][self.column]
        if cell["bytes"] is not None:
            return bytes(cell["bytes"])
        return Path(cell["path"]).read_bytes()


def in_order_of(images: HubImages, index: ClassIndex, classes: int) -> HubImages:
    """The same images with the labels of a task, matched by the names of the classes.

    ValueError lists names that no class goes by, and refuses copies whose labels have no names.
    """
    if images.classes is None:
        raise ValueError(
            f"hub: the labels of '{images.file}' have no names; expected the names of {classes} "
            "classes, to match them with the task's; take a copy whose labels are ClassLabel"
        )
    places = [index.find(name) for name in images.classes]
    unknown = [name for name, place in zip(images.classes, places, strict=True) if place is None]
    found = [place for place in places if place is not None]
    if unknown or len(set(found)) != len(found) or len(found) != classes:
        raise ValueError(
            f"hub: '{images.file}' has {len(images.classes)} classes, of which {unknown[:5]} are "
            f"not the task's; expected its {classes} classes once each; take another copy, or "
            "write a task file with these classes"
        )
    names = tuple(images.classes[found.index(place)] for place in range(classes))
    return replace(images, labels=[found[label] for label in images.labels], classes=names)
