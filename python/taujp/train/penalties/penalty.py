"""What a penalty is to the training loop."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from taujp.tangent.linearized import Linearized


class Penalty(Protocol):
    """Added to the loss as weight * value; each is logged under its name.

    The loop sends the images of `control` through the step's one pass and gives their tangents to
    `value`, a mean over rows: of equal parts of a batch, their values' mean is the whole's.
    """

    name: str
    weight: float

    def open(self, *, start: int, part: int, parts: int, workers: int) -> None:
        """Called once before step `start`; `part` of `parts`: this rank's rows of each batch."""

    def control(self, step: int) -> dict[str, Tensor]:
        """The images of control tasks that this step needs, by name; {} where it needs none."""

    def value(self, tangents: dict[str, Tensor], lin: Linearized) -> Tensor:
        """The penalty, a scalar differentiable in theta, without its weight.

        tangents: J(x; theta0) tau of the images that `control` gave, under the same names.
        """
