"""A task by what one types for it; a name that nobody has is an error of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taujp.data.task import Task


def task_named(name: str) -> Task:
    """The task; ValueError lists the known ones."""
    from taujp.data import find_task

    try:
        return find_task(name)
    except KeyError as error:
        raise ValueError(str(error.args[0])) from error
