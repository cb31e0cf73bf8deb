"""Integer tensors, such as position ids, are not merged: they have to be equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .agreement import listed
from .dtypes import element_bits
from .entries import Checkpoint, CheckpointError, Entry
from .tensors import raw_bytes, same_bytes


def check_integer_buffers(
    reference: Checkpoint, checkpoints: Sequence[Checkpoint], names: Iterable[str]
) -> None:
    """Raise, with all in one list, where integer tensors are not equal to the reference's."""
    lines = []
    for name in names:
        expected = reference.entries[name]
        buffer = raw_bytes(reference, expected)
        for other in checkpoints:
            if other is reference:
                continue
            place = _first_difference(expected, buffer, raw_bytes(other, other.entries[name]))
            if place:
                lines.append(f"{other.label} has {name!r} with {place}")
    if lines:
        raise CheckpointError(
            f"merge: {len(lines)} integer tensors differ from those of {reference.label}, and "
            f"there is no mean of integers:{listed(lines)}\nmake them equal in the checkpoints, or "
            f"merge only a part of the model with prefix= (--prefix)"
        )


def _first_difference(entry: Entry, expected: Any, found: Any) -> str | None:
    if same_bytes(expected, found):
        return None
    width = element_bits(entry.dtype) // 8
    at = next(i for i, (a, b) in enumerate(zip(expected, found, strict=True)) if a != b) // width
    a, b = (
        int.from_bytes(x[at * width : (at + 1) * width], "little", signed=entry.dtype[0] == "I")
        for x in (expected, found)
    )
    return f"{b} at element {at}; there it is {a}"
