"""How often a model with a head names the right class."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from taujp.evaluate.classifier import classifier_of
from taujp.evaluate.data_pass import run_over
from taujp.evaluate.outputs import predicted


def predictions(
    model: Any,
    head: nn.Module | None,
    dataset: Dataset[Any],
    *,
    batch_size: int = 128,
    workers: int = 0,
) -> tuple[Tensor, Tensor]:
    """The predicted and the true labels int64 [n] of a data set, in its order, on the CPU.

    model: whatever `classifier_of` takes; head: of its features, None where it gives logits.
    """
    (found,) = run_over(
        classifier_of(model),
        head,
        dataset,
        [lambda: None],
        keep=predicted,
        batch_size=batch_size,
        workers=workers,
    )
    return found.values, found.labels


def accuracy(
    model: Any,
    head: nn.Module | None,
    dataset: Dataset[Any],
    *,
    batch_size: int = 128,
    workers: int = 0,
) -> float:
    """The share in [0, 1] of images whose class is predicted.

    Equivalent: `(head(model.encode_image(images)).argmax(-1) == labels).float().mean()`.
    """
    found, true = predictions(model, head, dataset, batch_size=batch_size, workers=workers)
    return (found == true).double().mean().item()
