"""Images as a torch data set: each goes through a transform when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.data import Dataset

from taujp.data.images import Images


class Transformed(Dataset[Any]):
    """(transform(image), label) of Images; the transform sees a PIL image."""

    def __init__(self, images: Images, transform: Callable[[Any], Any]) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.images.open(index)), self.images.label(index)
