"""The registry of merge methods: a function from a method's options to a Recipe, decorated."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from .errors import MergeError
from .recipe import Recipe

_REGISTERED: dict[str, Method] = {}


@dataclass(frozen=True)
class Method:
    """A merge method by its name; `build(n, **options)` gives the Recipe for n checkpoints."""

    name: str
    needs_base: bool
    build: Callable[..., Recipe]

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options and their defaults."""
        parameters = list(inspect.signature(self.build).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    @property
    def summary(self) -> str:
        """The first line of the docstring: when to use it."""
        return (inspect.getdoc(self.build) or "").splitlines()[0]

    def recipe(self, checkpoints: int, options: dict[str, Any]) -> Recipe:
        """The recipe for n checkpoints; a MergeError names the options that it does not have."""
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise MergeError(
                f"{self.name}: unknown option {', '.join(map(repr, unknown))}; its options are "
                f"{', '.join(self.options) or 'none'}, and those of every method"
            )
        try:
            return self.build(checkpoints, **options)
        except MergeError as error:
            raise MergeError(f"{self.name}: {error}") from error


def merge_method(name: str, *, needs_base: bool = True) -> Callable:
    """Registers a method: its name, and whether it is defined on task vectors only."""

    def register(build: Callable[..., Recipe]) -> Callable[..., Recipe]:
        _REGISTERED[name] = Method(name, needs_base, build)
        return build

    return register


@cache
def methods() -> dict[str, Method]:
    """Every merge method by name; each lives in a file of its own in `merge/methods/`."""
    package = importlib.import_module("taujp.merge.methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_REGISTERED.items()))


def find_method(name: str | None, *, has_base: bool) -> Method:
    """The method of that name, or the default; refuses one that lacks what it needs."""
    name = name or ("task_arithmetic" if has_base else "linear")
    if name not in methods():
        raise MergeError(f"method is {name!r}; expected one of {', '.join(methods())}")
    method = methods()[name]
    if method.needs_base and not has_base:
        raise MergeError(f"{name} works on task vectors theta_i - theta0; give the base: base=...")
    if not method.needs_base and has_base:
        raise MergeError(
            f"{name} averages checkpoints and takes no base; leave it out, or use task_arithmetic"
        )
    return method
