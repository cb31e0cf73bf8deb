"""The tangent of every torch function: rules by function, torch's forward mode for the rest.

A rule computes the output and says how its tangent follows from the inputs':

    @rule(functional.linear)
    def linear(x, weight, bias=None):
        def tangent(d):          # d(x) is the tangent of x, None where it is zero
            ...
        return functional.linear(x, weight, bias), tangent
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from taujp.tangent.dual import (
    Directions,
    check_graph,
    count_of,
    is_differentiable,
    with_tangents,
)

Tangent = Callable[[Directions], Any]
Rule = Callable[..., tuple[Any, Tangent]]

RULES: dict[Callable[..., Any], Rule] = {}
# Written in torch functions: run again on the Duals, so that each of those finds its own rule.
COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {}


def rule(*functions: Callable[..., Any]) -> Callable[[Rule], Rule]:
    """Registers the rule of these torch functions; the decorator is all there is to do."""

    def register(body: Rule) -> Rule:
        RULES.update(dict.fromkeys(functions, body))
        return body

    return register


def composed(*functions: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Registers a function to call instead, one that takes and returns Duals."""

    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSED.update(dict.fromkeys(functions, body))
        return body

    return register


def apply_rule(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """func(*args, **kwargs) on Duals: the output and its tangents."""
    if func in COMPOSED:
        return COMPOSED[func](*args, **kwargs)
    if in_place.is_in_place(func, kwargs):
        return in_place.apply(func, args, kwargs)
    directions = Directions(count_of(args, kwargs))
    found = RULES.get(func)
    if found is None:
        return _without_rule(func, args, kwargs, directions)
    check_graph(func)
    out, tangent = found(*directions.unwrap(args), **directions.unwrap(kwargs))
    same = directions.same(out)
    return with_tangents(out, tangents_by(tangent, directions)) if same is None else same


def tangents_by(tangent: Tangent, directions: Directions) -> list[Any]:
    """The output's tangent in every direction, without a graph."""
    found = []
    with torch.no_grad():
        for direction in range(directions.count):
            directions.select(direction)
            found.append(tangent(directions))
    return found


def _without_rule(func: Callable[..., Any], args: Any, kwargs: Any, directions: Directions) -> Any:
    plain = directions.unwrap(args), directions.unwrap(kwargs)
    out = func(*plain[0], **plain[1])
    if not any(map(is_differentiable, tree_leaves(out))):
        return out  # a shape, a dtype, a comparison, an index: no tangent to have
    if (same := directions.same(out)) is not None:
        return same
    check_graph(func)
    return with_tangents(
        out, tangents_by(lambda d: forward_mode.tangent(func, *plain, out, d), directions)
    )


from taujp.tangent.rules import forward_mode, in_place  # noqa: E402  (they need `rule`)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
