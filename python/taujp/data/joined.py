"""Several lists of images, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taujp.data.images import Images

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class JoinedImages:
    """All images of `parts`, which have the same classes."""

    parts: Sequence[Images]

    def __post_init__(self) -> None:
        if len({part.classes for part in self.parts}) != 1:
            raise ValueError(
                f"JoinedImages: the parts have the classes {[part.classes for part in self.parts]}"
                "; expected at least one part, and the same classes in the same order in all"
            )

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Those of every part."""
        return self.parts[0].classes

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def label(self, index: int) -> int:
        """As in its part."""
        part, row = self._place(index)
        return part.label(row)

    def name(self, index: int) -> str:
        """As in its part."""
        part, row = self._place(index)
        return part.name(row)

    def open(self, index: int) -> Image:
        """As in its part."""
        part, row = self._place(index)
        return part.open(row)

    def content(self, index: int) -> bytes:
        """As in its part."""
        part, row = self._place(index)
        return part.content(row)

    def _place(self, index: int) -> tuple[Images, int]:
        """Its part, and which of that part's images it is."""
        row = range(len(self))[index]
        for part in self.parts:
            if row < len(part):
                return part, row
            row -= len(part)
        raise AssertionError("a row is in one of the parts")
