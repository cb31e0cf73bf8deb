"""Labelled images as a data set's files give them, before any transform.

A layout (taujp/data/layouts) turns files into Images; a task turns Images into data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


class UnreadableImage(OSError):
    """A file that should be an image and cannot be decoded; the message names it."""


class Images(Protocol):
    """n labelled images in a fixed order; `label` counts along the task's classes."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names as the files have them, in the order of the labels; None if they have none"""

    def __len__(self) -> int: ...

    def label(self, index: int) -> int:
        """The class of an image: its place in `classes` and in the task's classes."""

    def name(self, index: int) -> str:
        """Its file, relative to the root and with forward slashes, or 'file#index'."""

    def open(self, index: int) -> Image:
        """The decoded image; UnreadableImage names a file that cannot be decoded."""

    def content(self, index: int) -> bytes:
        """What makes two images the same one: the file's bytes, or the pixels where many images
        share a file."""


@dataclass(frozen=True)
class ListedImages:
    """Image files by a list: `root / files[i]` has `labels[i]`. They are opened as RGB."""

    root: Path
    files: Sequence[str]
    labels: Sequence[int]
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.files) != len(self.labels):
            raise ValueError(
                f"ListedImages: {len(self.files)} files under '{self.root}' and "
                f"{len(self.labels)} labels; expected one label a file"
            )

    def __len__(self) -> int:
        return len(self.files)

    def label(self, index: int) -> int:
        """The listed label."""
        return int(self.labels[index])

    def name(self, index: int) -> str:
        """The listed file."""
        return self.files[index]

    def open(self, index: int) -> Image:
        """The file decoded to RGB."""
        from PIL import Image

        try:
            with Image.open(self.root / self.files[index]) as image:
                return image.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableImage(
                f"open: '{self.files[index]}' under '{self.root}' is not a readable image "
                f"({error}); expected a whole image file; unpack or download it again"
            ) from error

    def content(self, index: int) -> bytes:
        """The file's bytes."""
        return (self.root / self.files[index]).read_bytes()


@dataclass(frozen=True)
class PickedImages:
    """Some of other images, in the order of `indices`."""

    images: Images
    indices: Sequence[int]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Those of the images picked from."""
        return self.images.classes

    def __len__(self) -> int:
        return len(self.indices)

    def label(self, index: int) -> int:
        """As in the images picked from."""
        return self.images.label(self.indices[index])

    def name(self, index: int) -> str:
        """As in the images picked from."""
        return self.images.name(self.indices[index])

    def open(self, index: int) -> Image:
        """As in the images picked from."""
        return self.images.open(self.indices[index])

    def content(self, index: int) -> bytes:
        """As in the images picked from."""
        return self.images.content(self.indices[index])
