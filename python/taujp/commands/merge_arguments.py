"""The arguments of `taujp merge`: its own by hand, the methods' options from what is registered."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

from taujp.commands.byte_size import byte_size
from taujp.commands.output_path import output_text
from taujp.merge.errors import MergeError
from taujp.merge.method import Method, methods
from taujp.merge.prepare import ROUNDINGS

COEF = "a checkpoint and its coefficient, or alone where --coefs or the method gives it; repeat"
ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--ckpt",), {"action": "append", "required": True, "metavar": "PATH[=COEF]", "help": COEF}),
    (("--base",), {"metavar": "PATH", "help": "theta0, which the others were fine-tuned from"}),
    (
        ("-o", "--out"),
        {
            "required": True,
            "type": output_text,
            "metavar": "PATH",
            "help": "NAME.safetensors for a file, else a folder",
        },
    ),
    (
        ("--coefs",),
        {
            "metavar": "CSV",
            "help": "many models: a row of coefficients each, a column for each --ckpt",
        },
    ),
    (
        ("--dtype",),
        {"metavar": "NAME", "help": "float32, float16 or bfloat16 (default: as the base has it)"},
    ),
    (
        ("--rounding",),
        {
            "choices": ROUNDINGS,
            "default": "exact",
            "help": "exact (default): once, at the end; stepwise: as a chain of tensor operations",
        },
    ),
    (
        ("--rename",),
        {"action": "append", "default": [], "metavar": "REGEX=NEW", "help": "of names; repeat"},
    ),
    (
        ("--prefix",),
        {"metavar": "TEXT", "help": "merge only parameters whose names begin so; copy the rest"},
    ),
    (
        ("--missing",),
        {
            "choices": ("error", "ignore"),
            "default": "error",
            "help": "tensors that not all inputs have: error (default), or ignore, which copies "
            "those of the base",
        },
    ),
    (
        ("--nonfinite",),
        {
            "choices": ("error", "allow"),
            "default": "error",
            "help": "NaN and Inf in the inputs (default error)",
        },
    ),
    (("--donor",), {"metavar": "FOLDER", "help": "gives config and tokenizer (default: the base)"}),
    (
        ("--out-shard-size",),
        {
            "dest": "shard_size",
            "type": byte_size,
            "metavar": "SIZE",
            "help": "bytes a file of the output may hold, e.g. 5GB (default: files as the base's)",
        },
    ),
    (("--overwrite",), {"action": "store_true", "help": "replace an output that exists"}),
    (("--sha256",), {"action": "store_true", "help": "record the SHA-256 of every input file too"}),
    (("--threads",), {"type": int, "metavar": "N", "help": "default: one a processor"}),
    (
        ("--device",),
        {"default": "cpu", "help": "cpu, cuda, cuda:1: where formulas in torch run (default cpu)"},
    ),
    (("--dry-run",), {"action": "store_true", "help": "print the plan and do nothing"}),
    (("-q", "--quiet"), {"action": "store_true", "help": "no progress bar"}),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp merge` takes."""
    for flags, settings in ARGUMENTS:
        parser.add_argument(*flags, **settings)
    method = "`taujp methods` lists them (default: task_arithmetic with a base, else linear)"
    parser.add_argument("--method", choices=list(methods()), metavar="NAME", help=method)
    factor = "factor of the merged task vector (default 1); a list makes a model for each"
    parser.add_argument(
        "--lambda", dest="lambda_", type=_value, default=1.0, metavar="X[,X...]", help=factor
    )
    explained = "`taujp methods NAME` explains them; several values are written A,B"
    add_method_options(parser.add_argument_group("options of methods", explained), methods())


def add_method_options(group: argparse._ActionsContainer, names: Iterable[str]) -> None:
    """The own options of these methods."""
    chosen = [methods()[name] for name in names]
    for name in dict.fromkeys(name for method in chosen for name in method.options):
        flag, text = "--" + name.replace("_", "-"), "; ".join(_users(name, chosen))
        group.add_argument(flag, dest=f"option_{name}", type=_value, metavar="X", help=text)


def _users(option: str, chosen: Iterable[Method]) -> Iterator[str]:
    """What the option is to each of the methods that have it."""
    defaults: dict[str, list[str]] = {}
    for method in chosen:
        if option == method.statistics:
            yield f"{method.name}: a file of each checkpoint, of `taujp statistics`"
        elif option in method.options:
            default = method.options[option]
            shown = default if isinstance(default, str) else json.dumps(default)
            defaults.setdefault(shown.replace("null", "none"), []).append(method.name)
    for shown, users in defaults.items():
        yield f"default {shown} ({', '.join(users)})"


def method_options() -> tuple[str, ...]:
    """The names of all methods' own options."""
    return tuple(dict.fromkeys(name for method in methods().values() for name in method.options))


def given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The method options on the command line; what a method lacks, it refuses itself."""
    given = {name: getattr(arguments, f"option_{name}", None) for name in method_options()}
    return {name: None if v == "none" else v for name, v in given.items() if v is not None}


def pair(flag: str, text: str, expected: str) -> tuple[str, str]:
    """LEFT=RIGHT; the left side may hold '=' itself."""
    left, equals, right = text.rpartition("=")
    if not equals:
        raise MergeError(f"{flag} {text}: expected {expected}")
    return left, right


def _value(text: str) -> Any:
    """0.2, 3, true, none, l1, or a list: 0.2,0.3."""
    if "," in text:
        return [_value(part) for part in text.split(",")]
    try:
        value = json.loads(text.lower())
    except json.JSONDecodeError:
        return text
    return "none" if value is None else value
