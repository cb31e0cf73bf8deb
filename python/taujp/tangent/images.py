"""The images that a measurement runs over, batch by batch, from whatever holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


def images_of(
    loader: Iterable[Any] | Dataset[Any],
    *,
    device: torch.device,
    batch_size: int = 64,
    workers: int = 0,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Images [n, ...] on `device`, with their labels [n] where there are any.

    loader: batches of images or of (images, labels); or a data set of such, read in order.
    Raises ValueError where there is not one image, or a batch is something else.
    """
    if isinstance(loader, Dataset):
        loader = DataLoader(loader, batch_size, num_workers=workers)
    empty = True
    for batch in loader:
        images, labels = (
            batch if isinstance(batch, (tuple, list)) and len(batch) == 2 else (batch, None)
        )
        if isinstance(images, (tuple, list)) and len(images) == 1:
            images = images[0]  # a TensorDataset of images alone gives tuples of one
        if not isinstance(images, Tensor):
            raise ValueError(
                f"loader: a batch is a {type(batch).__name__}; expected a tensor of images or "
                "(images, labels)"
            )
        empty = empty and not len(images)
        if len(images):
            yield images.to(device), labels
    if empty:
        raise ValueError(
            "loader: not one image came; expected at least one; a loader can be read only once "
            "when it is a generator"
        )
