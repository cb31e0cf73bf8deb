"""Tasks whose data come from several environments: what invariant learning learns from.

An environment is one way the data were gathered: a hospital, a camera, a drawing of the noise. What
predicts the label in all of them is worth learning; what does so in some of them is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taujp.data.images import Images
from taujp.data.joined import JoinedImages
from taujp.data.splits import RawSplits

if TYPE_CHECKING:
    from torch.utils.data import Dataset


@dataclass(frozen=True)
class EnvironmentImages:
    """One environment: what is trained on, and what is chosen and calibrated on."""

    train: Images
    validation: Images


@dataclass(frozen=True)
class EnvironmentSplits:
    """The data sets of an EnvironmentTask, each of (transform(image), label), by environment."""

    train: Mapping[str, Dataset[Any]]
    validation: Mapping[str, Dataset[Any]]
    test: Mapping[str, Dataset[Any]]


@dataclass(frozen=True)
class EnvironmentTask:
    """Named environments to learn from, and an unseen one to be tested in.

    `classes` and `templates` are as in `Task`. `test`: the same new images as every environment
    that is trained on would show them, and as the `unseen` one does. No image of test is trained
    on, none of validation either, and no two environments share one.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    environments: Mapping[str, EnvironmentImages]
    test: Mapping[str, Images]
    unseen: str

    def __post_init__(self) -> None:
        empty = [name for name, part in self.environments.items() if not len(part.train)]
        if empty or not self.environments:
            raise ValueError(
                f"EnvironmentTask: '{self.name}' has "
                f"{f'no training images in {empty}' if empty else 'no environments'}; expected "
                "environments with at least one image each; check how they were divided"
            )
        if set(self.test) != {*self.environments, self.unseen} or self.unseen in self.environments:
            raise ValueError(
                f"EnvironmentTask: '{self.name}' has test images of {list(self.test)}; expected "
                f"some of {list(self.environments)} and of the unseen '{self.unseen}', which is "
                "none of them"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The environments that are trained on."""
        return tuple(self.environments)

    def splits(self, transform: Callable[[Any], Any]) -> EnvironmentSplits:
        """The data sets; the transform sees a PIL image."""
        from taujp.data.transformed import Transformed

        def of(images: Images) -> Dataset[Any]:
            return Transformed(images, transform)

        return EnvironmentSplits(
            {name: of(part.train) for name, part in self.environments.items()},
            {name: of(part.validation) for name, part in self.environments.items()},
            {name: of(images) for name, images in self.test.items()},
        )


def together(task: EnvironmentTask) -> RawSplits:
    """The splits of an ordinary task: all environments' images in one, tested in the unseen one."""
    parts = task.environments.values()
    return RawSplits(
        JoinedImages(tuple(part.train for part in parts)),
        JoinedImages(tuple(part.validation for part in parts)),
        task.test[task.unseen],
    )
