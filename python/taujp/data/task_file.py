"""Tasks from a Python file of the user's: find_task("path/to/my_task.py")."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from pathlib import Path

from taujp.data.task import Task, registered


def task_from_file(path: str | Path) -> Task:
    """Runs the file, which registers one task with @task, and returns that task.

    With several tasks in the file, 'path/to/my_tasks.py:NAME' says which. The file is run once;
    it is the user's own code.
    """
    file, _, name = str(path).partition(".py")
    file, name = f"{file}.py", name.removeprefix(":")
    source = Path(file).expanduser().resolve()
    if not source.is_file():
        raise FileNotFoundError(
            f"task: there is no file '{source}'; expected a Python file that registers a task "
            "with @taujp.data.task"
        )
    module = f"taujp_task_file_{source.stem}_{zlib.crc32(str(source).encode())}"
    if module not in sys.modules:
        _run(source, module)
    found = {key: task for key, task in registered.items() if task.layout.__module__ == module}
    if name in found:
        return found[name]
    if name or len(found) != 1:
        wanted = f"one called '{name}'" if name else "one task"
        raise ValueError(
            f"task: '{source}' registers {sorted(found) or 'no task'}; expected {wanted}; decorate "
            "a layout with @taujp.data.task, or say which task as my_tasks.py:NAME"
        )
    return next(iter(found.values()))


def _run(source: Path, name: str) -> None:
    found = importlib.util.spec_from_file_location(name, source)
    if found is None or found.loader is None:
        raise ValueError(f"task: '{source}' cannot be run; expected a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
