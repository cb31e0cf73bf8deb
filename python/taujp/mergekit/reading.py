"""Checks of what a configuration holds: kinds and keys, each error with the place it is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from taujp.merge.errors import MergeError


def mapping_of(where: str, value: Any, keys: Collection[str] | None = None) -> Mapping[str, Any]:
    """A mapping whose keys are texts, all of them among `keys` where those are given."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        expected = f"a mapping with {', '.join(keys)}" if keys else "a mapping of names"
        raise MergeError(f"{where} is {value!r:.80}; expected {expected}")
    unknown = [key for key in value if keys is not None and key not in keys]
    if unknown:
        raise MergeError(
            f"{where} has {', '.join(map(repr, unknown))}; its keys are {', '.join(keys or ())}"
        )
    return value


def list_of(where: str, value: Any) -> list[Any]:
    """A list with something in it."""
    if not isinstance(value, list | tuple) or not value:
        raise MergeError(f"{where} is {value!r:.80}; expected a list with at least one item")
    return list(value)


def text_of(where: str, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise MergeError(f"{where} is {value!r:.80}; expected a text")
    return value


def span_of(where: str, value: Any) -> tuple[int, int]:
    """[first, one past the last] of layers: [0, 4], and as in mergekit ["0", "4"] or [0.0, 4.0]."""
    ends = [*map(_whole, value)] if isinstance(value, list | tuple) else []
    if len(ends) != 2 or not 0 <= ends[0] <= ends[1]:
        raise MergeError(
            f"{where} is {value!r:.80}; expected [first, one past the last], counted from 0: -1 "
            f"does not stand for the last layer (nor does it in mergekit)"
        )
    return ends[0], ends[1]


def _whole(value: Any) -> int:
    """A whole number, or a text of one; -1, which is none that counts, for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return -1
    return int(number) if number.is_integer() else -1
