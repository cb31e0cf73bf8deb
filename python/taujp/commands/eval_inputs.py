"""What a protocol of `taujp eval` runs on: the model, the checkpoints and the tasks' data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taujp.evaluate import MergedModels
    from taujp.train.model import ImageTextModel
    from taujp.train.prepare import PreparedTask


@dataclass(frozen=True)
class Inputs:
    """models: with the checkpoints' vectors. own: the tasks that have one, in order. tasks: these
    and others that the protocol looks at, by what was typed for them."""

    models: MergedModels
    own: list[PreparedTask]
    tasks: Mapping[str, PreparedTask]


def checkpoints_of(arguments: argparse.Namespace) -> dict[str, Path]:
    """Task by task, in the order asked for; ValueError for what is not there.

    One that was trained on all tasks (--joint) stands for each of --tasks.
    """
    joint = getattr(arguments, "joint", None)
    found = _found(arguments) if joint is None else dict.fromkeys(arguments.tasks or (), joint)
    wanted = arguments.tasks or list(found)
    missing = [name for name in wanted if name not in found or not found[name].exists()]
    if missing or not wanted:
        raise ValueError(
            f"checkpoints: there is none of {missing or 'any task'}; those given are "
            f"{ {name: str(path) for name, path in found.items()} }; expected --checkpoints "
            "TASK=PATH ... or --folder DIR with a file for every task (--tasks A,B with --joint)"
        )
    return {name: found[name] for name in wanted}


def _found(arguments: argparse.Namespace) -> dict[str, Path]:
    if arguments.folder is None:
        return dict(arguments.checkpoints or ())
    return {path.stem: path for path in sorted(arguments.folder.glob("*.safetensors"))}


def load_inputs(
    loaded: ImageTextModel,
    arguments: argparse.Namespace,
    checkpoints: Mapping[str, Path],
    besides: Iterable[str],
) -> Inputs:
    """The models of the checkpoints, and every task's head and data."""
    typed = dict.fromkeys([*checkpoints, *besides])
    tasks = {name: _prepared(name, loaded, arguments) for name in typed}
    own = [tasks[name] for name in checkpoints]
    # What is typed for a task may be a path; results have its name.
    named = {tasks[name].name: path for name, path in checkpoints.items()}
    if len(named) < len(checkpoints):
        raise ValueError(
            f"checkpoints: {list(checkpoints)} are tasks called {[task.name for task in own]}; "
            "expected one checkpoint a task"
        )
    return Inputs(_models(loaded, arguments, named), own, tasks)


def data_digests(arguments: argparse.Namespace, typed: Iterable[str]) -> dict[str, str]:
    """What stands for each task's data in the record, by the task's name."""
    if arguments.no_digests:
        return {}
    from taujp.commands.task_argument import task_named
    from taujp.data.digest import data_digest

    tasks = [task_named(name) for name in typed]
    return {task.name: data_digest(task, arguments.root) for task in tasks}


def _models(
    loaded: ImageTextModel, arguments: argparse.Namespace, checkpoints: Mapping[str, Path]
) -> MergedModels:
    from taujp.evaluate import MergedTangents, merged_models

    options = dict(arguments.option)
    if arguments.post_hoc:
        if arguments.method != "task_arithmetic" or options:
            raise ValueError(
                f"--post-hoc: --method is {arguments.method} with options {sorted(options)}; "
                "expected task_arithmetic without options, since tangents are only added"
            )
        return MergedTangents(loaded.model, checkpoints, workers=arguments.workers)
    return merged_models(
        loaded.model, checkpoints, method=arguments.method, workers=arguments.workers, **options
    )


def _prepared(name: str, loaded: ImageTextModel, arguments: argparse.Namespace) -> PreparedTask:
    from taujp.commands.task_argument import task_named
    from taujp.train import prepare

    return prepare(
        task_named(name),
        loaded.model,
        loaded.tokenizer,
        loaded.transform,
        root=arguments.root,
        in_memory=arguments.in_memory,
        tag=arguments.model,
    )
