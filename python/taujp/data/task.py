"""What a task is: its classes in the order of the labels, caption templates, and its splits."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taujp.data.splits import Splits

Transform = Callable[[Any], Any]
Loader = Callable[[Path, Transform], Splits]

_registered: dict[str, Task] = {}


@dataclass(frozen=True)
class Task:
    """An image classification task as CLIP sees it.

    `classes[label]` is the text of a label; every template has one `{}` for it. `load(root,
    transform)` returns the splits; a task whose images come with a package ignores `root`.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    load: Loader

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise ValueError(
                f"task: '{self.name}' has the classes {list(self.classes)}; expected at least one "
                "and no class twice; list every class once, in the order of the labels"
            )
        wrong = [template for template in self.templates if template.count("{}") != 1]
        if wrong or not self.templates:
            raise ValueError(
                f"task: '{self.name}' has the templates {wrong or 'none'}; expected exactly one "
                "'{}' in each; write for example 'a photo of a {}'"
            )

    def splits(self, transform: Transform, *, root: str | Path = ".") -> Splits:
        """Train, validation and test data whose images went through `transform`."""
        return self.load(Path(root), transform)


def task(
    name: str, *, classes: tuple[str, ...], templates: tuple[str, ...]
) -> Callable[[Loader], Task]:
    """Registers a loader `(root, transform) -> Splits` as a task; the loader becomes the Task."""

    def register(load: Loader) -> Task:
        if name in _registered and _registered[name].load.__module__ != load.__module__:
            raise ValueError(
                f"task: '{name}' is registered by {_registered[name].load.__module__} and again "
                f"by {load.__module__}; expected names to be unique; rename one"
            )
        _registered[name] = Task(name, tuple(classes), tuple(templates), load)
        return _registered[name]

    return register


def all_tasks() -> dict[str, Task]:
    """Every task of taujp.data.tasks, and those the user registered, by name."""
    import taujp.data.tasks as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_registered.items()))


def find_task(name: str) -> Task:
    """The task of this name; an unknown name lists the known ones."""
    known = all_tasks()
    if name not in known:
        raise KeyError(f"task: '{name}' is not registered; expected one of {list(known)}")
    return known[name]
