"""Which training `taujp finetune` was asked for, and what contradicts it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taujp.commands.finetune_objective import check_objective, train_over_environments

if TYPE_CHECKING:
    from taujp.train import Finetuned, Recipe

PENALISING = ("penalty", "control", "past", "factors")  # only fine-tuning towards a task does


@dataclass(frozen=True)
class Ready:
    """What every training starts from. `head` and `images`: a task's, by its name; `transformed`:
    the data set of other images."""

    model: Any
    recipe: Recipe
    head: Callable[[str], Any]
    images: Callable[[str], Any]
    transformed: Callable[[Any], Any]
    options: dict[str, Any]


def train(arguments: argparse.Namespace, ready: Ready) -> Finetuned:
    """Trains as asked; check(arguments) comes first."""
    if arguments.jointly:
        return _jointly(arguments, ready)
    if arguments.objective:
        return train_over_environments(arguments, ready)
    from taujp.commands.finetune_penalties import penalties
    from taujp.train import ascend, distil, finetune

    options = {**ready.options, "penalties": penalties(arguments, ready.images)}
    data = ready.model, ready.head(arguments.task), ready.images(arguments.task), ready.recipe
    if arguments.ascent:
        return ascend(*data, mode=arguments.mode, rank=arguments.rank, **ready.options)
    if arguments.teacher:
        generic = arguments.reference
        reference = None if generic is None else ready.images(generic)
        rate = arguments.teacher_lr
        return distil(*data, reference=reference, teacher_learning_rate=rate, **options)
    return finetune(*data, mode=arguments.mode, rank=arguments.rank, **options)


def _jointly(arguments: argparse.Namespace, ready: Ready) -> Finetuned:
    from taujp.train import finetune_jointly

    tasks = {name: (ready.head(name), ready.images(name)) for name in arguments.jointly}
    ways: dict[str, Any] = {"mode": arguments.mode, "rank": arguments.rank}
    return finetune_jointly(ready.model, tasks, ready.recipe, **ways, **ready.options)


def check(arguments: argparse.Namespace) -> None:
    """What contradicts itself is refused before anything is loaded."""
    _check_tasks(arguments)
    _check_baseline(arguments)
    _check_teacher(arguments)
    check_objective(arguments)
    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out {arguments.out}: expected a name that ends in .safetensors")


def _check_tasks(arguments: argparse.Namespace) -> None:
    over_tasks = bool(arguments.objective and not arguments.task)
    if bool(arguments.task) == bool(arguments.jointly) and not over_tasks:
        raise ValueError(
            f"--task is {arguments.task} and --jointly {','.join(arguments.jointly) or None}; "
            "expected one of them: --task NAME, or --jointly A,B for one model of several tasks"
        )
    if len(set(arguments.jointly)) < len(arguments.jointly):
        raise ValueError(f"--jointly {','.join(arguments.jointly)}: expected every task once")


def _check_baseline(arguments: argparse.Namespace) -> None:
    """Ascent and joint training take no penalties, no teacher, and not one another."""
    asked = [name for name in ("ascent", "jointly", "teacher") if getattr(arguments, name)]
    if len(asked) > 1:
        raise ValueError(f"--{', --'.join(asked)} were given; expected one of them")
    for flag in PENALISING:
        if asked not in ([], ["teacher"]) and getattr(arguments, flag):
            raise ValueError(f"--{asked[0]}: --{flag} was given; expected it without penalties")


def _check_teacher(arguments: argparse.Namespace) -> None:
    needs_teacher = {"--reference": arguments.reference, "--teacher-lr": arguments.teacher_lr}
    for flag, value in needs_teacher.items():
        if value is not None and not arguments.teacher:
            raise ValueError(f"{flag} {value}: only a teacher uses it; expected --teacher with it")
    if arguments.teacher and (arguments.mode != "standard" or arguments.rank is not None):
        raise ValueError(
            f"--teacher: --mode is {arguments.mode} and --rank {arguments.rank}; expected neither, "
            "since the student is an ordinary model"
        )
