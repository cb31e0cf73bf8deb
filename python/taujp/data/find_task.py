"""Tasks by name: those of taujp.data.tasks, and those that the user registered."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import suppress

from taujp.data.folder_task import folder_task
from taujp.data.hub_task import hub_task
from taujp.data.needs_package import NeedsPackage
from taujp.data.task import Task, registered
from taujp.data.task_file import task_from_file


def all_tasks() -> dict[str, Task]:
    """Every task of taujp.data.tasks, and those the user registered, by name.

    A task that cannot be described because a package is missing is left out; asking for it by
    name says which.
    """
    for name in _shipped():
        with suppress(NeedsPackage):
            importlib.import_module(f"taujp.data.tasks.{name}")
    return dict(sorted(registered.items()))


def find_task(name: str) -> Task:
    """The task that `name` says; an unknown name lists the known ones.

    A registered name (a shipped one in any case); "folder:PATH", a folder of images; "hub:NAME"
    or "hub:FOLDER", a Hugging Face image data set; or "my_task.py", a file that registers one.
    """
    if name.startswith("folder:"):
        return folder_task(name.removeprefix("folder:"))
    if name.startswith("hub:"):
        return hub_task(name.removeprefix("hub:"))
    if ".py" in name:
        return task_from_file(name)
    if name in registered:
        return registered[name]
    if name.lower() in _shipped():  # the earlier code writes SUN397
        importlib.import_module(f"taujp.data.tasks.{name.lower()}")
        return registered[name.lower()]
    raise KeyError(f"task: '{name}' is not registered; expected one of {list(all_tasks())}")


def _shipped() -> list[str]:
    import taujp.data.tasks as package

    return [module.name for module in pkgutil.iter_modules(package.__path__)]
