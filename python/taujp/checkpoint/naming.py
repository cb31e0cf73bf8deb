"""Gives tensors other names, so that checkpoints of one model with two habits of naming agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from .entries import Checkpoint, CheckpointError


def renamed(checkpoint: Checkpoint, rename: Mapping[str, str]) -> Checkpoint:
    """The checkpoint with re.sub(pattern, replacement, name) done for each pattern, in order.

    A pattern matches anywhere in the name (anchor it with ^ and $), and sees what the patterns
    before it made of the name: {r"^module\\.": ""} removes a prefix. Two tensors that come to the
    same name are an error.
    """
    new = {name: _new_name(name, rename) for name in checkpoint.entries}
    _check_distinct(checkpoint, new)
    return replace(
        checkpoint,
        entries={new[n]: replace(entry, name=new[n]) for n, entry in checkpoint.entries.items()},
        ties={new[name]: new[first] for name, first in checkpoint.ties.items()},
        shards={new[name]: file for name, file in checkpoint.shards.items()},
    )


def _new_name(name: str, rename: Mapping[str, str]) -> str:
    for pattern, replacement in rename.items():
        try:
            name = re.sub(pattern, replacement, name)
        except (re.error, IndexError) as error:
            raise CheckpointError(
                f"rename: {pattern!r}: {replacement!r} is no valid substitution ({error}); "
                f"expected a regular expression and its replacement as re.sub takes them"
            ) from error
    return name


def _check_distinct(checkpoint: Checkpoint, new: Mapping[str, str]) -> None:
    taken: dict[str, str] = {}
    for name, chosen in new.items():
        if not chosen:
            raise CheckpointError(
                f"rename: {checkpoint.label}: nothing is left of the name {name!r}"
            )
        if chosen in taken:
            raise CheckpointError(
                f"rename: {checkpoint.label}: {taken[chosen]!r} and {name!r} would both be called "
                f"{chosen!r}; make the patterns narrower"
            )
        taken[chosen] = name
