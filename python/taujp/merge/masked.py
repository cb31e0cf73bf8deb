"""Models that are one vector for all tasks, seen through a mask and scaled for each task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taujp.checkpoint.compact_file import seen_through

from .formula import Formula

if TYPE_CHECKING:
    from torch import Tensor

    from .parameter import Parameter
    from .survey import Survey


@dataclass(frozen=True)
class Masked:
    """Of a parameter: a vector in fp32, and for each task booleans of its shape and a factor."""

    vector: Tensor
    masks: list[Tensor]
    factors: list[float]

    def of_task(self, task: int) -> Tensor:
        """The task's own vector."""
        return seen_through(self.vector, self.masks[task], self.factors[task])


def masked_formula(
    masked: Callable[[Parameter], Masked], survey: Callable[[Survey], Any] | None = None
) -> Formula:
    """The formula of a method `per_task` whose models have that form, which `compact` keeps."""

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        found = masked(parameter)
        yield from (found.of_task(task) for task in parameter.checkpoints)

    return Formula(merged, pointwise=True, survey=survey, masked=masked)
