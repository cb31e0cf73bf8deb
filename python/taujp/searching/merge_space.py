"""The names that a search over merges may have: coefficients, the method, and its options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.merged import MergedModels
from taujp.evaluate.merged_weights import MergedWeights
from taujp.evaluate.schemes import Scheme
from taujp.merge.method import methods
from taujp.searching.space import Point, Range, Space, Values

COEFFICIENT = "coefficient"
OF = f"{COEFFICIENT}:"  # "coefficient:visual.*", of the parts that match
SHARED = ("lambda_",)  # options of every method that a search may vary

Parts = Mapping[str, str]  # a task or layer to the name of its coefficient


def merge_space(
    models: MergedModels, values: Mapping[str, Values], scheme: Scheme
) -> tuple[Space, Parts]:
    """The space with a coefficient for each part, and whose each is; ValueError for other names.

    "coefficient" in the scheme "task" or "layer" stands for one a part; "coefficient:PATTERN" for
    one of all parts that match (the first pattern counts). Without any, all coefficients are 1.
    """
    tried = _methods(models, values)
    only = {
        name: frozenset(method for method in tried if name in methods()[method].options)
        for name in values
        if name != "method" and not name.startswith(COEFFICIENT) and name not in SHARED
    }
    _check_options(models, values, only, tried)
    parts = _parts(models, values, scheme)
    spread: dict[str, Values] = {
        name: v for name, v in values.items() if not name.startswith(COEFFICIENT)
    }
    for name in dict.fromkeys(parts.values()):
        spread[name] = values[name] if name in values else values[COEFFICIENT]
    return Space(spread, only, models.method), parts


def row_at(point: Point, parts: Parts, scheme: Scheme, tasks: Sequence[str]) -> Coefficients:
    """The coefficients of a point."""
    if not parts:
        return dict.fromkeys(tasks, 1.0)
    numbers = {part: float(point[name]) for part, name in parts.items()}
    return dict.fromkeys(tasks, numbers) if scheme == "layer" else numbers


def options_at(point: Point, models: MergedModels) -> tuple[str, dict[str, Any]]:
    """The method of a point, and its options: the point's own, else those of `models`."""
    method: str = point.get("method", models.method)
    own = methods()[method].options
    elsewhere = {name for one in methods().values() for name in one.options} - own.keys()
    kept = {name: v for name, v in models.options.items() if name not in elsewhere}
    varied = {n: v for n, v in point.items() if n != "method" and not n.startswith(COEFFICIENT)}
    return method, {**kept, **varied}


def told_options(models: MergedModels) -> dict[str, Any]:
    """The options of `models` in JSON's types; statistics of data by what they are."""
    told: dict[str, Any] = json.loads(
        json.dumps(dict(models.options), default=lambda value: type(value).__name__)
    )
    return told


def _methods(models: MergedModels, values: Mapping[str, Values]) -> tuple[str, ...]:
    """The methods that are tried; ValueError for one that does not exist or cannot be."""
    given = values.get("method", (models.method,))
    if isinstance(given, Range):
        raise ValueError(f"search: 'method' is {given}; expected a list of names")
    unknown = [name for name in given if name not in methods()]
    if unknown:
        raise ValueError(f"search: there is no method {unknown}; there are {list(methods())}")
    count = len(models.names)
    for one in (methods()[name] for name in given):
        if not one.fewest <= count <= (one.most or count):
            raise ValueError(f"search: {one.name} for {count} checkpoints; it needs {one.needs}")
        if one.per_task:
            raise ValueError(
                f"search: {one.name} gives a model for each task; expected one for all"
            )
    return tuple(given)


def _check_options(
    models: MergedModels,
    values: Mapping[str, Values],
    only: Mapping[str, frozenset[str]],
    tried: Sequence[str],
) -> None:
    unknown = [name for name, users in only.items() if not users]
    if unknown:
        known = {method: list(methods()[method].options) for method in tried}
        raise ValueError(
            f"search: {unknown} in the space is no option of what is tried; the options are "
            f"{known}, and of every method {list(SHARED)}; else 'method' and 'coefficient'"
        )
    varied = [name for name in values if not name.startswith(COEFFICIENT)]
    if varied and not isinstance(models, MergedWeights):
        raise ValueError(
            f"search: {varied} in the space, and the models are of mode {models.mode!r}; expected "
            "coefficients alone, since linearised models are only added"
        )


def _parts(models: MergedModels, values: Mapping[str, Values], scheme: Scheme) -> dict[str, str]:
    """The name of every part's coefficient, in the order of the parts."""
    if scheme not in ("common", "task", "layer"):
        raise ValueError(f"search: scheme is {scheme!r}; expected 'common', 'task' or 'layer'")
    given = [name for name in values if name.startswith(COEFFICIENT)]
    wrong = [n for n in given if n != COEFFICIENT and (scheme == "common" or not n.startswith(OF))]
    if wrong:
        raise ValueError(
            f"search: {wrong} in the space with scheme {scheme!r}; expected 'coefficient', or "
            "with scheme 'task' or 'layer' 'coefficient:PATTERN'"
        )
    if scheme == "common" or not given:
        return dict.fromkeys(models.names, COEFFICIENT) if given else {}
    parts = models.names if scheme == "task" else models.layers
    patterns = [name.removeprefix(OF) for name in given if name != COEFFICIENT]
    found = {part: _name_of(part, patterns, COEFFICIENT in values) for part in parts}
    unused = [p for p in patterns if f"{OF}{p}" not in found.values()]
    lost = [part for part, name in found.items() if not name]
    if unused or lost:
        raise ValueError(
            f"search: the patterns {unused} match no {scheme} first, and {lost} have no "
            f"coefficient; the parts are {list(parts)}; add 'coefficient' for the rest"
        )
    return found


def _name_of(part: str, patterns: Sequence[str], rest: bool) -> str:
    """ "coefficient:PATTERN" of the first that matches, "coefficient:PART" of the rest."""
    matching = next((one for one in patterns if fnmatchcase(part, one)), None)
    if matching is not None:
        return f"{OF}{matching}"
    return f"{OF}{part}" if rest else ""
