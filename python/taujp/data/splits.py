"""Train, validation and test data, and how validation is held out of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.data import Dataset

VALIDATION_SHARE, VALIDATION_MOST = 0.1, 5000


@dataclass(frozen=True)
class Splits:
    """Three disjoint data sets of (image, label); fine-tune on train, choose on validation."""

    train: Dataset[Any]
    validation: Dataset[Any]
    test: Dataset[Any]


def hold_out(
    train: Dataset[Any], test: Dataset[Any], *, share: float = VALIDATION_SHARE, seed: int = 0
) -> Splits:
    """Splits with min(10 %, 5000) random images of `train` as validation.

    That share and `random_split` with seed 0 are the task-arithmetic papers', so results can be
    compared with theirs. A control task, which nothing is trained on, may hold out more.
    """
    import torch
    from torch.utils.data import random_split

    total = len(train)  # type: ignore[arg-type]
    held_out = min(int(total * share), VALIDATION_MOST)
    if not held_out:
        raise ValueError(
            f"hold_out: train has {total} images and share is {share}; expected at least one "
            "image for validation; pass a larger share or Splits(train, validation, test) yourself"
        )
    generator = torch.Generator().manual_seed(seed)
    rest, validation = random_split(train, [total - held_out, held_out], generator=generator)
    return Splits(rest, validation, test)
