"""Train, validation and test data, and how validation is held out of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taujp.data.images import Images, PickedImages

if TYPE_CHECKING:
    from torch.utils.data import Dataset

VALIDATION_SHARE, VALIDATION_MOST = 0.1, 5000


@dataclass(frozen=True)
class Splits:
    """Three disjoint data sets of (image, label); fine-tune on train, choose on validation."""

    train: Dataset[Any]
    validation: Dataset[Any]
    test: Dataset[Any]


@dataclass(frozen=True)
class RawSplits:
    """The images of a task as its files give them.

    Where the files name no validation images it is None, and `with_validation` holds `share` of
    train out (at most 5000).
    """

    train: Images
    validation: Images | None
    test: Images
    share: float = VALIDATION_SHARE

    def with_validation(self) -> WholeSplits:
        """All three splits."""
        if self.validation is not None:
            return WholeSplits(self.train, self.validation, self.test)
        rest, validation = hold_out(self.train, share=self.share)
        return WholeSplits(rest, validation, self.test)


@dataclass(frozen=True)
class WholeSplits:
    """The images a task trains on, chooses on and is tested on."""

    train: Images
    validation: Images
    test: Images


def hold_out(
    images: Images, *, share: float = VALIDATION_SHARE, seed: int = 0
) -> tuple[Images, Images]:
    """The rest for training, and min(share, 5000) random images for validation.

    A tenth and `random_split` with seed 0 are the task-arithmetic papers', so results can be
    compared with theirs. A control task, which nothing is trained on, may hold out more.
    """
    import torch
    from torch.utils.data import random_split

    total = len(images)
    held_out = min(int(total * share), VALIDATION_MOST)
    if not held_out:
        raise ValueError(
            f"hold_out: train has {total} images and share is {share}; expected at least one "
            "image for validation; pass a larger share or name the validation images yourself"
        )
    generator = torch.Generator().manual_seed(seed)
    lengths = [total - held_out, held_out]
    rest, validation = random_split(range(total), lengths, generator=generator)  # type: ignore
    return PickedImages(images, rest.indices), PickedImages(images, validation.indices)
