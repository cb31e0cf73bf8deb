"""Images that live in memory as uint8 arrays, and data sets transformed once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch.utils.data import Dataset, TensorDataset


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Grey or colour images uint8 [n, height, width(, 3)] with labels [n]; `file` names them."""

    images: NDArray[np.uint8]
    labels: NDArray[Any]
    file: str = "array"
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or len(self.images) != len(self.labels):
            raise ValueError(
                f"ArrayImages: images of '{self.file}' are {self.images.dtype} "
                f"{self.images.shape}, labels {self.labels.shape}; expected uint8 images and one "
                "label each; scale pixels to 0-255 first"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def label(self, index: int) -> int:
        """The label of this row."""
        return int(self.labels[index])

    def name(self, index: int) -> str:
        """The file and the row, 'file#index'."""
        return f"{self.file}#{range(len(self))[index]}"

    def open(self, index: int) -> Image:
        """A PIL image, mode L or RGB."""
        from PIL import Image

        return Image.fromarray(self.images[index])

    def content(self, index: int) -> bytes:
        """The image's pixels."""
        return self.images[index].tobytes()


def cached(dataset: Dataset[Any], *, workers: int = 0) -> TensorDataset:
    """The whole data set transformed once and held in memory; for sets that fit, with no
    random transform."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(dataset, batch_size=256, num_workers=workers)
    batches = [(images, labels) for images, labels in loader]
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return TensorDataset(images, labels)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz file; nothing in it is unpickled."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
