"""A parameter's setting in a configuration: one value, a gradient over layers, or by filters.

weight: 0.5                                    the same everywhere
weight: [0, 0.5, 1]                            piecewise linear over the layers of a slice
weight: [{filter: mlp, value: 1}, {value: 0}]  the first whose filter is part of the name
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from taujp.merge.errors import MergeError

from .reading import list_of, mapping_of

Scalar = bool | int | float | str
EVERY = (None, "*")  # filters that every name passes
_YES = frozenset({"true", "yes", "on", "1", "y", "t"})
_NO = frozenset({"false", "no", "off", "0", "n", "f"})


@dataclass(frozen=True)
class Case:
    """What holds for names that contain `filter`; several values are a gradient."""

    filter: str | None
    values: tuple[Scalar, ...]
    gradient: bool = False


Setting = tuple[Case, ...]
Settings = Mapping[str, Setting]


def settings_of(where: str, value: Any) -> Settings:
    """The `parameters` of a part of a configuration; none where it is left out."""
    if value is None:
        return {}
    found = mapping_of(where, value)
    return {name: _setting(f"{where}.{name}", given) for name, given in found.items()}


def resolve(
    settings: Iterable[Settings], name: str, kind: type, tensor: str, t: float
) -> float | int | bool | None:
    """The parameter's value for a tensor: of the first settings that say something of it.

    t: how deep in its slice the tensor's layer is, from 0 to 1; 0 outside of layers. Raises
    MergeError where a value is not of its kind (float, int or bool).
    """
    for scope in settings:
        for case in scope.get(name, ()):
            if case.filter in EVERY or case.filter in tensor:
                if not case.values:
                    break  # an empty gradient says nothing: mergekit asks the next scope
                values = [as_kind(name, value, kind) for value in case.values]
                return _at(name, values, kind, t) if case.gradient else values[0]
    return None


def as_kind(name: str, value: Any, kind: type) -> float | int | bool:
    """A scalar as a float, int or bool; texts such as YAML's 1e-5 are numbers too."""
    try:
        if kind is bool:
            return _flag(value)
        number = float(value)
        if not math.isfinite(number) or (kind is int and number != int(number)):
            raise ValueError
        return int(number) if kind is int else number
    except (TypeError, ValueError):
        kinds = {bool: "true or false", int: "a whole number", float: "a finite number"}
        raise MergeError(f"parameter {name} is {value!r}; expected {kinds[kind]}") from None


def _setting(where: str, value: Any) -> Setting:
    if isinstance(value, Mapping):
        return (_case(where, value),)
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return tuple(_case(f"{where}[{i}]", item) for i, item in enumerate(list_of(where, value)))
    return (_values(where, None, value),)


def _case(where: str, value: Any) -> Case:
    parts = mapping_of(where, value, ("filter", "value"))
    chosen = parts.get("filter")
    if "value" not in parts or not (chosen is None or isinstance(chosen, str)):
        raise MergeError(f"{where} is {dict(parts)!r:.80}; expected value, and filter as a text")
    return _values(where, chosen, parts["value"])


def _values(where: str, chosen: str | None, value: Any) -> Case:
    values = tuple(value) if isinstance(value, list) else (value,)
    if not all(isinstance(item, bool | int | float | str) for item in values):
        raise MergeError(
            f"{where} is {value!r:.80}; expected a value, a list of values (a gradient), or a list "
            f"of {{filter, value}}"
        )
    return Case(chosen, values, gradient=isinstance(value, list))


def _flag(value: Any) -> bool:
    text = str(value).strip().lower()
    if isinstance(value, float) and value in (0.0, 1.0):
        return bool(value)
    if text not in _YES | _NO:
        raise ValueError
    return text in _YES


def _at(name: str, values: list[Any], kind: type, t: float) -> float | int | bool:
    """The gradient at t: between numbers a line, of flags the one whose part t lies in."""
    place = t * (len(values) - 1)
    first = int(place)
    if kind is bool:
        return bool(values[first])
    second, share = min(len(values) - 1, first + 1), place - first
    return as_kind(name, (1 - share) * values[first] + share * values[second], kind)
