"""Tasks whose outputs are logits, which some protocols need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taujp.train.prepare import PreparedTask


def check_labelled(tasks: Sequence[PreparedTask], *, operation: str) -> None:
    """Predicted classes and their probabilities come from logits; another output is an error."""
    others = [task.name for task in tasks if task.scorer is not None]
    if others:
        raise ValueError(
            f"{operation}: {others} have a scorer of their own; expected tasks whose outputs are "
            "logits, since predicted classes or probabilities are compared; leave these out"
        )
