"""How often a model with a head names the right class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


@torch.inference_mode()
def predictions(
    model: Any, head: nn.Module, dataset: Dataset[Any], *, batch_size: int = 128, workers: int = 0
) -> tuple[Tensor, Tensor]:
    """The predicted and the true labels int64 [n] of a data set, in its order, on the CPU."""
    weight = next(model.parameters())
    head = head.to(weight.device)
    was_training = model.training
    model.eval()
    predicted, true = [], []
    for images, labels in DataLoader(dataset, batch_size, num_workers=workers):
        features = model.encode_image(images.to(weight.device, weight.dtype)).float()
        predicted.append(head(features).argmax(-1).cpu())
        true.append(labels)
    model.train(was_training)
    if not predicted:
        raise ValueError("predictions: the data set is empty; expected at least one image")
    return torch.cat(predicted), torch.cat(true)


def accuracy(
    model: Any, head: nn.Module, dataset: Dataset[Any], *, batch_size: int = 128, workers: int = 0
) -> float:
    """The share in [0, 1] of images whose class is predicted; model is an open_clip model.

    Equivalent: `(head(model.encode_image(images)).argmax(-1) == labels).float().mean()`.
    """
    predicted, true = predictions(model, head, dataset, batch_size=batch_size, workers=workers)
    return (predicted == true).double().mean().item()
