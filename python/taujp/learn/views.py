"""Checkpoints of whole models as views of the weights that are edited, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from taujp.checkpoint import Checkpoint, composed, open_checkpoint
from taujp.evaluate.classifier import Classifier
from taujp.merge.adapters import open_input
from taujp.merge.errors import MergeError


def theta0_of(classifier: Classifier) -> dict[str, Tensor]:
    """A copy of the weights and buffers that are edited; of tied ones the first."""
    state, tied = classifier.state(), ties_of(classifier)
    return {name: value.detach().clone() for name, value in state.items() if name not in tied}


def ties_of(classifier: Classifier) -> dict[str, str]:
    """{name: the name before it that has the same storage} of what is edited."""
    firsts: dict[tuple[object, ...], str] = {}
    tied = {}
    for name, value in classifier.state().items():
        place = (value.data_ptr(), value.shape, value.stride())
        if value.numel() and firsts.setdefault(place, name) != name:
            tied[name] = firsts[place]
    return tied


def views_of(
    theta0: Mapping[str, Tensor], finetuned: Mapping[str, Any], operation: str
) -> dict[str, Checkpoint]:
    """{task: its checkpoint's tensors under theta0's names}; nothing is read. PEFT adapters too.

    MergeError where there is no checkpoint, or one lacks a name.
    """
    if not finetuned:
        raise MergeError(f"{operation}: no checkpoint came; expected {{task: checkpoint}}")
    views, base = {}, open_checkpoint(theta0, label="theta0")
    for task, source in finetuned.items():
        opened = open_input(source, base, None, None)
        missing = [name for name in theta0 if name not in opened.entries]
        if missing:
            raise MergeError(
                f"{operation}: {opened.label} of {task!r} lacks {len(missing)} of the model's "
                f"weights: {missing[:3]}; it has, e.g., {list(opened.entries)[:3]}"
            )
        views[task] = composed(
            f"{task} ({opened.label})", {name: (opened, name) for name in theta0}
        )
    return views


def check_tasks(tasks: Mapping[str, Any], finetuned: Mapping[str, Any], operation: str) -> None:
    """Every checkpoint needs the data of its task, and nothing else is looked at."""
    if set(tasks) != set(finetuned):
        raise MergeError(
            f"{operation}: there are data of {sorted(tasks)} and checkpoints of "
            f"{sorted(finetuned)}; expected the same tasks"
        )
