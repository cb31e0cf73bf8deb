"""Data sets that live in memory: from uint8 arrays, and any data set after its transform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset


class ArrayImages(Dataset[Any]):
    """Grey or colour images uint8 [n, height, width(, 3)] with labels [n], as a torch data set.

    Each image goes through `transform` as a PIL image, as those of torchvision's data sets do.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[Any],
        transform: Callable[[Any], Any],
    ) -> None:
        if images.dtype != np.uint8 or len(images) != len(labels):
            raise ValueError(
                f"ArrayImages: images are {images.dtype} {images.shape}, labels {labels.shape}; "
                "expected uint8 images and one label each; scale pixels to 0-255 first"
            )
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def cached(dataset: Dataset[Any], *, workers: int = 0) -> TensorDataset:
    """The whole data set transformed once and held in memory; for sets that fit, with no
    random transform."""
    loader = DataLoader(dataset, batch_size=256, num_workers=workers)
    batches = [(images, labels) for images, labels in loader]
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return TensorDataset(images, labels)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The named arrays of an .npz file; nothing in it is unpickled."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
