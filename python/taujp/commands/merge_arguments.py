"""The arguments of `taujp merge`: its own by hand, the methods' options from what is registered."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from taujp.commands.byte_size import byte_size
from taujp.commands.output_path import output_text
from taujp.merge.errors import MergeError
from taujp.merge.method import methods
from taujp.merge.prepare import ROUNDINGS

COEF = "a checkpoint and its coefficient (without, where --coefs or the method gives it); repeat"
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
            "help": "many models: a row of coefficients each",
        },
    ),
    (("--dtype",), {"help": "float32, float16 or bfloat16 (default: as the base has it)"}),
    (
        ("--rounding",),
        {"choices": ROUNDINGS, "default": "exact", "help": "stepwise: as a chain of tensor ops"},
    ),
    (
        ("--rename",),
        {"action": "append", "default": [], "metavar": "REGEX=NEW", "help": "of names; repeat"},
    ),
    (("--prefix",), {"help": "merge only parameters whose names begin so; copy the rest"}),
    (
        ("--missing",),
        {
            "choices": ("error", "ignore"),
            "default": "error",
            "help": "names not in all inputs",
        },
    ),
    (
        ("--nonfinite",),
        {"choices": ("error", "allow"), "default": "error", "help": "NaN and Inf in the inputs"},
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
    (("--threads",), {"type": int, "help": "default: one a processor"}),
    (("--device",), {"default": "cpu", "help": "cuda: formulas in torch run there (default cpu)"}),
    (("--dry-run",), {"action": "store_true", "help": "print the plan and do nothing"}),
    (("-q", "--quiet"), {"action": "store_true", "help": "no progress bar"}),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp merge` takes."""
    for flags, settings in ARGUMENTS:
        parser.add_argument(*flags, **settings)
    default = "default: task_arithmetic with a base, else linear"
    parser.add_argument("--method", choices=list(methods()), help=default)
    factor = "factor of the merged task vector (default 1); a list makes a model for each"
    parser.add_argument("--lambda", dest="lambda_", type=_value, default=1.0, help=factor)
    add_method_options(parser, methods())


def add_method_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """The own options of these methods."""
    chosen = [methods()[name] for name in names]
    for name in dict.fromkeys(name for method in chosen for name in method.options):
        users = {m.name: m.options[name] for m in chosen if name in m.options}
        text = ", ".join(f"{method} {default!r}" for method, default in users.items())
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, dest=f"option_{name}", type=_value, help=f"defaults: {text}")


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
