"""PEFT adapters among the inputs of a merge: their task vectors are scale B A, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taujp.checkpoint import Checkpoint, open_adapted, open_checkpoint
from taujp.checkpoint.lora_folder import is_adapter
from taujp.checkpoint.lora_vectors import changed_names, has_adapted, vectors_of

from .errors import MergeError
from .formula import Formula
from .recipe import Recipe


def open_input(
    source: Any, base: Checkpoint | None, label: str | None, rename: Mapping[str, str] | None
) -> Checkpoint:
    """`open_checkpoint`, and an adapter as a model of the merge's base (under its own names)."""
    if is_adapter(source):
        if base is None:
            raise MergeError(
                f"{label} is a PEFT adapter, which changes a base: give the one that it was "
                f"trained on, base=... (--base)"
            )
        source = open_adapted(base, source, label=label)
    return open_checkpoint(source, label=label, rename=rename)


def as_task_vectors(
    theta0: Checkpoint, checkpoints: tuple[Checkpoint, ...], *, deltas: bool
) -> tuple[Checkpoint, ...] | None:
    """All checkpoints as task vectors where one of them is adapted, else None.

    deltas: whether those that are not adapted are task vectors already.
    """
    if not any(map(has_adapted, checkpoints)):
        return None
    return tuple(c if deltas and not has_adapted(c) else vectors_of(c, theta0) for c in checkpoints)


def names_to_merge(
    names: tuple[str, ...],
    theta0: Checkpoint,
    checkpoints: tuple[Checkpoint, ...],
    work: Recipe | Formula,
    dtype: str | None,
) -> tuple[str, ...]:
    """Without those that nobody changes, which are the base's own and copied from it.

    All of them where the method looks at all parameters together, and those that the copy would
    leave in another dtype.
    """
    if work.over_model if isinstance(work, Recipe) else work.survey is not None:
        return names
    changed = set(changed_names(names, checkpoints, theta0))
    return tuple(
        name for name in names if name in changed or dtype not in (None, theta0.entries[name].dtype)
    )
