"""`taujp finetune --objective`: training over several environments."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taujp.commands.finetune_training import Ready
    from taujp.data.images import Images
    from taujp.train import Finetuned

OBJECTIVES = ("birm", "erm", "ib_irm", "irm_game", "irmv1", "pair", "vrex")
COLUMN, LISTING = "column:", "csv:"


def add_objective(group: argparse._ArgumentGroup) -> None:
    """--objective and what belongs to it."""
    objective = "train over --environments, to predict alike in all of them"
    group.add_argument("--objective", choices=OBJECTIVES, help=objective)
    option = "of the objective, as weight=100 or anneal=500; repeat"
    group.add_argument(
        "--objective-option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=option,
    )
    environments = (
        "without --task: tasks, each under its own head; with it, how its images are divided: "
        "folders with its classes, column:NAME of its Hugging Face data set, or csv:FILE:COLUMN; "
        "coloured_digits and rotated_digits are divided already"
    )
    group.add_argument("--environments", type=_names, default=[], metavar="A,B", help=environments)


def check_objective(arguments: argparse.Namespace) -> None:
    """ValueError where the flags contradict one another."""
    if not arguments.objective:
        given = {"--environments": "environments", "--objective-option": "objective_option"}
        for flag, field in given.items():
            if getattr(arguments, field):
                raise ValueError(f"{flag}: no objective uses it; expected --objective with it")
        return
    if arguments.objective == "irm_game" and arguments.objective_option:
        raise ValueError(
            f"--objective-option {dict(arguments.objective_option)}: irm_game has none here; "
            "expected it without"
        )
    asked = [name for name in ("ascent", "jointly", "teacher") if getattr(arguments, name)]
    if asked:
        raise ValueError(f"--objective: --{asked[0]} was given; expected it without")
    environments = arguments.environments
    if len(set(environments)) < len(environments):
        raise ValueError(f"--environments {','.join(environments)}: expected every one once")
    if arguments.task:
        return
    if not environments:
        raise ValueError(
            "--objective: there are no environments; expected --environments A,B of tasks, or "
            "--task NAME with --environments that divide it"
        )
    both = [name for name in arguments.control if name in environments]
    if both or arguments.past:
        raise ValueError(
            f"--environments {','.join(environments)}: "
            f"{f'--control has {both}' if both else '--past was given'}; expected --control with "
            "other tasks, since these are trained"
        )


def train_over_environments(arguments: argparse.Namespace, ready: Ready) -> Finetuned:
    """Trains as asked; check_objective(arguments) comes first."""
    from taujp.commands.finetune_penalties import penalties
    from taujp.train.invariance import finetune_invariantly
    from taujp.train.objectives import make_objective

    options = dict(arguments.objective_option)
    objective: Any = arguments.objective
    if objective != "irm_game":  # its members are made with the learner
        objective = make_objective(objective, **options)
    heads, images = _environments(arguments, ready)
    return finetune_invariantly(
        ready.model,
        heads,
        images,
        objective,
        ready.recipe,
        mode=arguments.mode,
        rank=arguments.rank,
        penalties=penalties(arguments, ready.images),
        **ready.options,
    )


def _environments(arguments: argparse.Namespace, ready: Ready) -> tuple[Any, dict[str, Any]]:
    """The head of all or the heads by name, and every environment's training data."""
    if not arguments.task:
        names = arguments.environments
        return {name: ready.head(name) for name in names}, {n: ready.images(n) for n in names}
    parts = divided_task(arguments.task, arguments.environments, arguments.root)
    images = {name: ready.transformed(part) for name, part in parts.items()}
    return ready.head(arguments.task), images


def divided_task(name: str, how: list[str], root: str) -> Mapping[str, Images]:
    """A task's training images by environment: its own division, or as `--environments` say."""
    from taujp.commands.task_argument import task_named
    from taujp.data.divided import by_column, by_folders, by_listing

    if not how:
        return _own_environments(name)
    task, (first, *others) = task_named(name), how
    if first.startswith((COLUMN, LISTING)):
        if others:
            raise ValueError(f"--environments {first}: {others} came too; expected it alone")
        train = task.images(root).train
        if first.startswith(COLUMN):
            return by_column(train, first.removeprefix(COLUMN))
        listing, _, column = first.removeprefix(LISTING).rpartition(":")
        return by_listing(train, listing, column)
    return by_folders(task, _folders(how))


def _own_environments(name: str) -> Mapping[str, Images]:
    from taujp.data.environment_tasks import ENVIRONMENT_TASKS

    if name not in ENVIRONMENT_TASKS:
        raise ValueError(
            f"--task {name}: it has no environments of its own, as {list(ENVIRONMENT_TASKS)} have; "
            "expected --environments with folders, column:NAME or csv:FILE:COLUMN"
        )
    parts = ENVIRONMENT_TASKS[name]().environments
    return {environment: part.train for environment, part in parts.items()}


def _folders(given: list[str]) -> dict[str, Path]:
    """By their last part; ValueError for what is no folder, and for two of one name."""
    folders = {Path(one).name: Path(one) for one in given}
    missing = [one for one in given if not Path(one).is_dir()]
    if missing or len(folders) < len(given):
        raise ValueError(
            f"--environments {','.join(given)}: {missing or 'two folders of one name'}; expected "
            "folders of different names with the task's classes, column:NAME or csv:FILE:COLUMN; "
            "leave --task out where the environments are tasks"
        )
    return folders


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}': expected NAME=VALUE, as weight=100")
    try:
        read = json.loads(value)
    except json.JSONDecodeError:
        read = value
    return name.replace("-", "_"), tuple(read) if isinstance(read, list) else read
