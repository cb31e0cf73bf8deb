"""The registry of merge methods: a decorated function from a method's options to what it does."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from .errors import MergeError
from .formula import Formula
from .recipe import Recipe

_REGISTERED: dict[str, Method] = {}
_FILES = "taujp.merge.methods"
_BASES = {"needed": "base", "optional": "base or none", "none": "no base"}


@dataclass(frozen=True)
class Method:
    """A merge method by its name; `build(n, **options)` gives its work for n checkpoints.

    base: "needed", "optional" or "none". fewest, most: how many checkpoints it is defined for.
    weighted: whether coefficients mean anything to it; where not, all must be 1.
    cost: passes and memory, in words. tensors: whether it sees whole tensors, by a Formula.
    per_task: whether it gives N models, one for each checkpoint, and not one for all.
    statistics: the option with what was gathered from data for each checkpoint; None: no data.
    """

    name: str
    build: Callable[..., Recipe | Formula]
    base: str = "needed"
    fewest: int = 1
    most: int | None = None
    weighted: bool = True
    cost: str = "one pass"
    tensors: bool = False
    per_task: bool = False
    statistics: str | None = None

    @property
    def needs_base(self) -> bool:
        """Whether it is defined on task vectors only."""
        return self.base == "needed"

    @property
    def needs(self) -> str:
        """What it takes, in words."""
        counts = {(1, None): "", (1, 1): "one checkpoint", (2, 2): "two checkpoints"}
        count = counts.get((self.fewest, self.most), f"at least {self.fewest} checkpoints")
        coefs = "" if self.weighted else "coefficients of 1"
        data = f"{self.statistics} of each checkpoint" if self.statistics else ""
        return ", ".join(part for part in (_BASES[self.base], count, coefs, data) if part)

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options and their defaults."""
        parameters = list(inspect.signature(self.build).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    @property
    def summary(self) -> str:
        """The first line of the docstring: when to use it."""
        return (inspect.getdoc(self.build) or "").splitlines()[0]

    def built(self, checkpoints: int, options: dict[str, Any]) -> Recipe | Formula:
        """Its work for n checkpoints; a MergeError names the options that it does not have."""
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise MergeError(
                f"{self.name}: unknown option {', '.join(map(repr, unknown))}; its options are "
                f"{', '.join(self.options) or 'none'}, and those of every method"
            )
        if checkpoints < self.fewest or checkpoints > (self.most or checkpoints):
            raise MergeError(f"{self.name}: {checkpoints} checkpoints; it takes {self.needs}")
        try:
            return self.build(checkpoints, **options)
        except MergeError as error:
            raise MergeError(f"{self.name}: {error}") from error


def merge_method(
    name: str,
    *,
    needs_base: bool = True,
    checkpoints: tuple[int, int | None] = (1, None),
    weighted: bool = True,
    cost: str = "one pass",
) -> Callable:
    """Registers a method of the kernels, whose function gives a Recipe."""

    def register(build: Callable[..., Recipe]) -> Callable[..., Recipe]:
        base = "needed" if needs_base else "none"
        _REGISTERED[name] = Method(name, build, base, *checkpoints, weighted, cost)
        return build

    return register


def tensor_method(
    name: str,
    *,
    base: str = "needed",
    checkpoints: tuple[int, int | None] = (1, None),
    weighted: bool = True,
    cost: str = "a whole tensor of every checkpoint in memory",
    per_task: bool = False,
    statistics: str | None = None,
) -> Callable:
    """Registers a whole-tensor method, whose function gives a Formula."""

    def register(build: Callable[..., Formula]) -> Callable[..., Formula]:
        _REGISTERED[name] = Method(
            name, build, base, *checkpoints, weighted, cost, True, per_task, statistics
        )
        return build

    return register


@cache
def methods() -> dict[str, Method]:
    """Every merge method by name; each lives in a file of its own in `merge/methods/`."""
    import pkgutil

    package = importlib.import_module(_FILES)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_REGISTERED.items()))


def find_method(name: str | None, *, has_base: bool) -> Method:
    """The method of that name, or the default; refuses one that lacks what it needs."""
    name = name or ("task_arithmetic" if has_base else "linear")
    method = _registered(name)
    if method is None:
        raise MergeError(f"method is {name!r}; expected one of {', '.join(methods())}")
    if method.base == "needed" and not has_base:
        raise MergeError(f"{name} works on task vectors theta_i - theta0; give the base: base=...")
    if method.base == "none" and has_base:
        raise MergeError(
            f"{name} merges checkpoints and takes no base; leave it out, or use task_arithmetic"
        )
    return method


def _registered(name: str) -> Method | None:
    """The method of that name; all files of methods are loaded only where none has the name."""
    for file in (name, name.partition("_")[0]):
        if name not in _REGISTERED and file.isidentifier() and find_spec(f"{_FILES}.{file}"):
            importlib.import_module(f"{_FILES}.{file}")
    return _REGISTERED.get(name) or methods().get(name)
