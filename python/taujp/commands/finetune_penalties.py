"""The penalties that `taujp finetune` was asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from taujp.commands.finetune_arguments import PENALTIES

Images = Callable[[str], Any]  # a task's training images by its name


def penalties(arguments: argparse.Namespace, images: Images) -> list[Any]:
    """One penalty for every --penalty; ValueError for what is unknown, missing or left over."""
    asked = [_name_and_weight(text) for text in arguments.penalty]
    _check(arguments, [name for name, _ in asked])
    return [_penalty(name, weight, arguments, images) for name, weight in asked]


def control_tasks(arguments: argparse.Namespace) -> list[str]:
    """The tasks whose images tau_jp needs."""
    if not arguments.past:
        return list(arguments.control)
    if arguments.task not in arguments.past:
        return list(arguments.past)
    return list(arguments.past[: arguments.past.index(arguments.task)])


def _name_and_weight(text: str) -> tuple[str, dict[str, Any]]:
    name, equals, weight = text.partition("=")
    if name not in PENALTIES:
        raise ValueError(
            f"--penalty {text}: expected one of {', '.join(PENALTIES)}, or NAME=WEIGHT"
        )
    try:
        return name, {"weight": float(weight)} if equals else {}
    except ValueError:
        raise ValueError(f"--penalty {text}: '{weight}' is no number; expected NAME=0.1") from None


def _check(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    """Every penalty has what it needs, and nothing is given that no penalty uses."""
    with_images = any(name.startswith("tau_jp") for name in names)
    if arguments.control and arguments.past:
        raise ValueError("--control and --past were both given; expected one of them")
    if with_images and not arguments.control and not arguments.past:
        raise ValueError("--penalty tau_jp: no control tasks; expected --control A,B or --past A,B")
    if not with_images and (arguments.control or arguments.past):
        raise ValueError("--control, --past: no penalty uses them; expected --penalty tau_jp")
    if arguments.factors and "kronecker" not in names:
        raise ValueError("--factors: no penalty uses them; expected --penalty kronecker")
    if "kronecker" in names and not arguments.factors:
        raise ValueError(
            "--penalty kronecker: no factors; expected --factors FILE, from `taujp factors`"
        )
    if arguments.task in arguments.control:
        raise ValueError(
            f"--control: '{arguments.task}' is the task that is trained; expected other tasks"
        )


def _penalty(
    name: str, weight: dict[str, Any], arguments: argparse.Namespace, images: Images
) -> Any:
    from taujp.tangent.kronecker import load_factors, sum_factors
    from taujp.train.penalties import Kronecker, Orthogonal, TauJp

    if name == "orthogonal":
        return Orthogonal(**weight)
    if name == "kronecker":
        return Kronecker(sum_factors([load_factors(path) for path in arguments.factors]), **weight)
    control = {task: images(task) for task in control_tasks(arguments)}
    options = {
        **weight,
        "schedule": "cyclic" if name == "tau_jp_cyclic" else "strict",
        "batch_size": arguments.control_batch_size,
        "squared": arguments.squared,
        "seed": arguments.recipe_seed or 0,
    }
    if arguments.past:
        order = [*control, arguments.task]
        return TauJp.past(order, arguments.task, control, **options)
    return TauJp(control, **options)
