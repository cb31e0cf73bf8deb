"""The protocols of `taujp eval`: the arguments of each, and how they call it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taujp.commands.eval_arguments import add_coefficients, given_coefficients, names, numbers
from taujp.commands.eval_calibration import add_calibration, evaluate_calibration

if TYPE_CHECKING:
    from taujp.commands.eval_inputs import Inputs

Add = Callable[[argparse.ArgumentParser], None]
Evaluate = Callable[["Inputs", argparse.Namespace], Any]
SCHEMES = ("common", "task", "layer")
RULES = ("largest", "least_target")
VECTORS = {"task": "task", "random": "random", "ascent": "gradient ascent"}


@dataclass(frozen=True)
class Protocol:
    """besides: arguments that name tasks, one or a list, beyond those of the checkpoints."""

    summary: str
    add_arguments: Add
    evaluate: Evaluate
    besides: tuple[str, ...] = ()


def _add_single(parser: argparse.ArgumentParser) -> None:
    joint = "one checkpoint that was trained on all of --tasks, in place of each task's own"
    parser.add_argument("--joint", type=Path, metavar="PATH", help=joint)


def _single(inputs: Inputs, arguments: argparse.Namespace) -> Any:
    from taujp.evaluate import single_task

    result = single_task(inputs.models, inputs.own)
    return replace(result, training="jointly") if arguments.joint else result


def _add_addition(parser: argparse.ArgumentParser) -> None:
    add_coefficients(parser, "0:1:21")
    scheme = "what has a coefficient of its own (default common: one for all tasks)"
    parser.add_argument("--scheme", choices=SCHEMES, default="common", help=scheme)
    rounds = "how often coefficients of tasks or layers are gone through (default 1)"
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help=rounds)


def _addition(inputs: Inputs, arguments: argparse.Namespace) -> Any:
    from taujp.evaluate import addition

    return addition(
        inputs.models,
        inputs.own,
        scheme=arguments.scheme,
        rounds=arguments.rounds,
        **given_coefficients(arguments),
    )


def _add_negation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", required=True, metavar="TASK", help="to forget")
    parser.add_argument("--control", required=True, metavar="TASK", help="to keep")
    others = "tasks to look at besides, on test data"
    parser.add_argument("--others", type=names, default=[], metavar="A,B", help=others)
    add_coefficients(parser, "0:1:21")
    keep = "share of the control's accuracy that has to stay (default 0.95)"
    parser.add_argument("--keep", type=float, default=0.95, metavar="X", help=keep)
    rule = "of the coefficients that keep it: the largest, or that of the lowest target accuracy "
    rule += "(default least_target)"
    parser.add_argument("--rule", choices=RULES, default="least_target", help=rule)
    vector = "what is subtracted: the task's (default), or a baseline: a random one of its norm in "
    vector += "every parameter, or --checkpoints of gradient ascent, applied as it is"
    parser.add_argument("--vector", choices=list(VECTORS), default="task", help=vector)
    seed = "of --vector random (default 0)"
    parser.add_argument("--vector-seed", type=int, default=0, metavar="N", help=seed)


def _negation(inputs: Inputs, arguments: argparse.Namespace) -> Any:
    from taujp.evaluate import negation

    return negation(
        inputs.models,
        inputs.tasks[arguments.target],
        inputs.tasks[arguments.control],
        others=[inputs.tasks[name] for name in arguments.others],
        keep=arguments.keep,
        rule=arguments.rule,
        vector=VECTORS[arguments.vector],
        **given_coefficients(arguments),
    )


def _add_analogy(parser: argparse.ArgumentParser) -> None:
    for letter in "abcd":
        text = "the task that is looked at" if letter == "d" else "a task with a checkpoint"
        parser.add_argument(f"--{letter}", required=True, metavar="TASK", help=text)
    for name, text in (("add", "of c"), ("shift", "of b - a")):
        text = f"coefficients {text}: 0,0.5,1 or FIRST:LAST:COUNT (default 0:1:21)"
        parser.add_argument(f"--{name}", type=numbers, metavar="LIST", help=text)


def _analogy(inputs: Inputs, arguments: argparse.Namespace) -> Any:
    from taujp.evaluate import analogy

    given = {name: getattr(arguments, name) for name in ("add", "shift")}
    lists = {name: values for name, values in given.items() if values is not None}
    a, b, c, d = (inputs.tasks[getattr(arguments, letter)] for letter in "abcd")
    return analogy(inputs.models, a.name, b.name, c.name, d, **lists)


def _add_subsets(parser: argparse.ArgumentParser) -> None:
    add_coefficients(parser, "1 for all; given ones are chosen from for each subset as well")


def _subsets(inputs: Inputs, arguments: argparse.Namespace) -> Any:
    from taujp.evaluate import subsets

    return subsets(inputs.models, inputs.own, **given_coefficients(arguments))


def _add_disentanglement(parser: argparse.ArgumentParser) -> None:
    add_coefficients(parser, "--coefficients=-3:3:21")


def _disentanglement(inputs: Inputs, arguments: argparse.Namespace) -> Any:
    from taujp.evaluate import disentanglement

    if len(inputs.own) != 2:
        raise ValueError(
            f"disentanglement: checkpoints are of {[task.name for task in inputs.own]}; expected "
            "two; pick them with --tasks A,B"
        )
    return disentanglement(inputs.models, *inputs.own, **given_coefficients(arguments))


def _interference(inputs: Inputs, _: argparse.Namespace) -> Any:
    from taujp.evaluate import interference

    return interference(inputs.models, inputs.own)


def _add_unseen(parser: argparse.ArgumentParser) -> None:
    unseen = "tasks to look at whose vectors are not added"
    parser.add_argument("--unseen", type=names, required=True, metavar="A,B", help=unseen)
    add_coefficients(parser, "0:1:21")


def _unseen(inputs: Inputs, arguments: argparse.Namespace) -> Any:
    from taujp.evaluate import unseen

    others = [inputs.tasks[name] for name in arguments.unseen]
    merged = [task for task in inputs.own if task not in others]
    return unseen(inputs.models, merged, others, **given_coefficients(arguments))


def _ensemble(inputs: Inputs, _: argparse.Namespace) -> Any:
    from taujp.evaluate import ensemble

    return ensemble(inputs.models, inputs.own)


def _add_nothing(_: argparse.ArgumentParser) -> None:
    """A protocol without arguments of its own."""


PROTOCOLS = {
    "single": Protocol("every task by itself", _add_single, _single),
    "addition": Protocol("all task vectors added", _add_addition, _addition),
    "negation": Protocol(
        "one task forgotten", _add_negation, _negation, ("target", "control", "others")
    ),
    "analogy": Protocol("c + (b - a), tried on d", _add_analogy, _analogy, tuple("abcd")),
    "subsets": Protocol("all sums of some of the vectors", _add_subsets, _subsets),
    "disentanglement": Protocol(
        "how two vectors change each other's predictions", _add_disentanglement, _disentanglement
    ),
    "interference": Protocol(
        "tauJp beside what each vector does to the others", _add_nothing, _interference
    ),
    "unseen": Protocol(
        "some vectors added, tried on other tasks", _add_unseen, _unseen, ("unseen",)
    ),
    "ensemble": Protocol("averaged weights against averaged outputs", _add_nothing, _ensemble),
    "calibration": Protocol(
        "how far confidence can be trusted",
        add_calibration,
        evaluate_calibration,
        ("others", "fitted_on"),
    ),
}
