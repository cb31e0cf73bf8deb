"""The arguments that every `taujp eval` protocol takes; never imports torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from taujp.commands.gathering_arguments import ROOT
from taujp.commands.output_path import output_path
from taujp.commands.process_count import process_count
from taujp.merge.method import methods


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything but the protocol's own."""
    _add_models(parser.add_argument_group("models"))
    _add_merging(parser.add_argument_group("merging"))
    _add_computing(parser.add_argument_group("data and computing"))
    _add_output(parser.add_argument_group("output"))


def add_coefficients(parser: argparse.ArgumentParser, default: str) -> None:
    """--coefficients of a protocol that tries several."""
    text = f"0,0.5,1 or FIRST:LAST:COUNT (default {default})"
    parser.add_argument("--coefficients", type=numbers, metavar="LIST", help=text)


def given_coefficients(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those on the command line; without them the protocol has its own."""
    given = arguments.coefficients
    return {} if given is None else {"coefficients": given}


def names(text: str) -> list[str]:
    """a,b,c as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers(text: str) -> list[float]:
    """0,0.3,1 as a list, or FIRST:LAST:COUNT as that many points at equal distances."""
    try:
        if text.count(":") != 2:
            return [float(part) for part in text.split(",")]
        first, last, count = text.split(":")
        steps = int(count) - 1
        if steps < 1:
            raise ValueError
        start, end = float(first), float(last)
        return [(start * (steps - step) + end * step) / steps for step in range(steps + 1)]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}': expected numbers such as 0,0.3,1, or FIRST:LAST:COUNT such as 0:1:21"
        ) from None


def option(text: str) -> tuple[str, Any]:
    """NAME=VALUE of a merge method, as density=0.2."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}': expected NAME=VALUE, as density=0.2")
    try:
        return name.replace("-", "_"), json.loads(value)
    except json.JSONDecodeError:
        return name.replace("-", "_"), value


def checkpoint(text: str) -> tuple[str, Path]:
    """TASK=PATH."""
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise argparse.ArgumentTypeError(f"'{text}': expected TASK=PATH of a checkpoint")
    return name, Path(path)


def _add_models(group: argparse._ArgumentGroup) -> None:
    model = "demo, NAME[:WEIGHTS] of open_clip such as ViT-B-32:openai, or a folder of open_clip"
    group.add_argument("--model", required=True, metavar="MODEL", help=model)
    given = group.add_mutually_exclusive_group()
    each = "a fine-tuned checkpoint a task"
    given.add_argument("--checkpoints", type=checkpoint, nargs="+", metavar="TASK=PATH", help=each)
    folder = "a folder with TASK.safetensors of every task"
    given.add_argument("--folder", type=Path, metavar="FOLDER", help=folder)
    tasks = "only these of the checkpoints, in this order"
    group.add_argument("--tasks", type=names, metavar="A,B", help=tasks)
    post_hoc = "linearise ordinary checkpoints at the pre-trained weights"
    group.add_argument("--post-hoc", action="store_true", help=post_hoc)


def _add_merging(group: argparse._ArgumentGroup) -> None:
    method = "how task vectors are added; `taujp methods` lists them (default task_arithmetic)"
    group.add_argument(
        "--method",
        choices=list(methods()),
        default="task_arithmetic",
        metavar="NAME",
        help=method,
    )
    options = "of the method (`taujp methods NAME`), as density=0.2; repeat"
    group.add_argument(
        "--option", type=option, action="append", default=[], metavar="NAME=VALUE", help=options
    )


def _add_computing(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--root", default=".", metavar="FOLDER", help=ROOT)
    in_memory = "transform images only once, and keep them"
    group.add_argument("--in-memory", action="store_true", help=in_memory)
    group.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default cpu)")
    workers = "processes that load images (default 0: none)"
    group.add_argument("--workers", type=process_count, default=0, metavar="N", help=workers)
    digests = "leave the digests of the data out of the record: unprepared data are read for them"
    group.add_argument("--no-digests", action="store_true", help=digests)


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-o", "--out", required=True, type=output_path, metavar="FILE", help="NAME.json"
    )
    way = "how the vectors were fine-tuned, as 'linear + tauJp'; reports compare ways"
    group.add_argument("--way", default="", metavar="LABEL", help=way)
    seed = "of the fine-tuning; reports give mean and spread over seeds"
    group.add_argument("--seed", type=int, metavar="N", help=seed)
    group.add_argument("-q", "--quiet", action="store_true", help="print no table")
