"""What one step sees: training images with labels, and the images that penalties asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """`control[i]` has the images of penalty i by name; it is empty where that needs none.

    index: int64, the environment of each row, where there are several. restart: the optimiser is
    to forget its moments before this step.
    """

    images: Tensor
    labels: Tensor
    control: tuple[dict[str, Tensor], ...] = ()
    index: Tensor | None = None
    restart: bool = False

    def __post_init__(self) -> None:
        for name, images in self.named_control():
            if images.shape[1:] != self.images.shape[1:]:
                raise ValueError(
                    f"finetune: control images of '{name}' have the shape "
                    f"{tuple(images.shape[1:])}, training images {tuple(self.images.shape[1:])}; "
                    "expected the same; give both data sets the model's transform"
                )

    def named_control(self) -> Iterator[tuple[str, Tensor]]:
        """(name, images) of every penalty's control images."""
        for images in self.control:
            yield from images.items()

    def pieces(self, count: int) -> Iterator[Batch]:
        """The batch in `count` equal parts; the mean over parts is the mean over the batch."""
        for name, rows in (("training", self.images), *self.named_control()):
            if len(rows) % count:
                raise ValueError(
                    f"finetune: a batch has {len(rows)} images of '{name}' and accumulate is "
                    f"{count}; expected a multiple of {count}; choose another batch size"
                )
        for index in range(count):
            control = tuple(
                {name: images.chunk(count)[index] for name, images in each.items()}
                for each in self.control
            )
            environments = None if self.index is None else self.index.chunk(count)[index]
            yield Batch(
                self.images.chunk(count)[index],
                self.labels.chunk(count)[index],
                control,
                environments,
            )

    def on(self, fabric: Any) -> Batch:
        """The batch on the device that `fabric` computes on."""
        given = (self.images, self.labels, self.control, self.index)
        images, labels, control, index = fabric.to_device(given)
        return Batch(images, labels, control, index, self.restart)
