"""PEFT adapters among the inputs of a merge: their task vectors are scale B A, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from taujp.checkpoint import Checkpoint, open_checkpoint
from taujp.checkpoint.entries import COMPUTED
from taujp.checkpoint.lora_folder import is_adapter

from .errors import MergeError

if TYPE_CHECKING:
    from .prepare import Merge


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
        from taujp.checkpoint import open_adapted

        source = open_adapted(base, source, label=label)
    return open_checkpoint(source, label=label, rename=rename)


def as_task_vectors(
    theta0: Checkpoint, checkpoints: tuple[Checkpoint, ...], *, deltas: bool
) -> tuple[Checkpoint, ...] | None:
    """All checkpoints as task vectors where one of them is adapted, else None.

    deltas: whether those that are not adapted are task vectors already.
    """
    entries = (entry for checkpoint in checkpoints for entry in checkpoint.entries.values())
    if all(entry.file != COMPUTED for entry in entries):
        return None  # no adapter, whose code most merges never load
    from taujp.checkpoint.lora_vectors import has_adapted, vectors_of

    if not any(map(has_adapted, checkpoints)):
        return None
    return tuple(c if deltas and not has_adapted(c) else vectors_of(c, theta0) for c in checkpoints)


def without_unchanged(merge: Merge) -> Merge:
    """The merge of those parameters alone that some adapter changes: the rest is the base's own.

    All of them where the method looks at all parameters together; also those that a copy would
    leave in another dtype.
    """
    together = merge.recipe.over_model or (merge.formula is not None and merge.formula.survey)
    if merge.base is None or not merge.deltas or together:
        return merge
    from taujp.checkpoint.lora_change import is_nothing

    theta0 = merge.base
    names = tuple(
        name
        for name in merge.names
        if merge.dtype_of(name) != theta0.entries[name].dtype
        or not all(is_nothing(checkpoint, name) for checkpoint in merge.checkpoints)
    )
    return replace(merge, names=names)
