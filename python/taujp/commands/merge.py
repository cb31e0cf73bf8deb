"""`taujp merge`: checkpoints in, a checkpoint out; never imports torch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from taujp.merge.errors import MergeError
from taujp.merge.method import find_method, methods
from taujp.merge.prepare import ROUNDINGS, prepare
from taujp.merge.sweep_file import read_sweep

SHARED = ("rounding", "rename", "prefix", "missing", "nonfinite", "dtype")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Inputs and output by hand; the methods' options from what is registered."""
    add = parser.add_argument
    add(
        "--ckpt",
        action="append",
        required=True,
        metavar="PATH[=COEF]",
        help="a checkpoint and its coefficient; repeat",
    )
    add("--base", metavar="PATH", help="theta0: the model that the others were fine-tuned from")
    add(
        "-o",
        "--out",
        required=True,
        metavar="PATH",
        help="NAME.safetensors for a file, else a folder",
    )
    add(
        "--coefs",
        metavar="CSV",
        help="a row of coefficients for each model to write, a column a checkpoint",
    )
    add(
        "--method",
        choices=list(methods()),
        help="default: task_arithmetic with a base, else linear",
    )
    for name, default in _method_options().items():
        add(
            _flag(name),
            dest=f"option_{name}",
            type=_value,
            default=None,
            metavar="VALUE",
            help=f"default {default!r} ({', '.join(m.name for m in methods().values() if name in m.options)})",
        )
    add(
        "--lambda",
        dest="lambda_",
        type=_value,
        default=1.0,
        metavar="VALUE",
        help="factor of the merged task vector; a list makes a model each",
    )
    add("--dtype", help="of the result: float32, float16 or bfloat16 (default: the base's)")
    add(
        "--rounding",
        choices=ROUNDINGS,
        default="exact",
        help="stepwise rounds after every step, as mergekit does",
    )
    add(
        "--rename",
        action="append",
        default=[],
        metavar="REGEX=NEW",
        help="change parameter names of all inputs; repeat",
    )
    add("--prefix", help="merge only parameters whose names begin so; copy the rest")
    add(
        "--missing",
        choices=("error", "ignore"),
        default="error",
        help="what to do with parameters that some checkpoint lacks",
    )
    add(
        "--nonfinite",
        choices=("error", "allow"),
        default="error",
        help="what to do with NaN and Inf in the inputs",
    )
    add(
        "--donor",
        metavar="FOLDER",
        help="whose config and tokenizer go along (default: the base's, else the first's)",
    )
    add("--overwrite", action="store_true", help="replace an output that exists")
    add("--sha256", action="store_true", help="record the SHA-256 of every input file too")
    add("--threads", type=int, help="default: one a processor")
    add("--dry-run", action="store_true", help="print the plan and do nothing")
    add("-q", "--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Merge, or print the plan."""
    from taujp.merge.to_files import merge_to_files

    paths, coefs = _inputs(arguments)
    merge = prepare(
        paths,
        coefs,
        arguments.base,
        method=arguments.method,
        lambda_=arguments.lambda_,
        **{name: getattr(arguments, name) for name in SHARED if name != "rename"},
        rename=dict(_pair("--rename", text) for text in arguments.rename) or None,
        **_given_options(arguments),
    )
    if arguments.dry_run:
        from taujp.merge.dry_run import describe

        print(describe(merge, arguments.out, donor=arguments.donor, threads=arguments.threads))
        return 0
    options = {
        name: getattr(arguments, name) for name in ("overwrite", "threads", "donor", "sha256")
    }
    with _Bar(quiet=arguments.quiet) as progress:
        written = merge_to_files(merge, arguments.out, progress=progress, **options)
    print("\n".join(written))
    return 0


def _inputs(arguments: argparse.Namespace) -> tuple[list[str], list]:
    """The checkpoints' paths, and [N] coefficients or [K, N]."""
    if arguments.coefs is not None:
        return arguments.ckpt, read_sweep(arguments.coefs, arguments.ckpt)
    pairs = [_pair("--ckpt", text) for text in arguments.ckpt]
    try:
        return [path for path, _ in pairs], [float(coef) for _, coef in pairs]
    except ValueError as error:
        raise MergeError(
            f"--ckpt: {error}; expected PATH=COEF with a number, or --coefs CSV"
        ) from None


def _pair(flag: str, text: str) -> tuple[str, str]:
    left, equals, right = text.rpartition("=")
    if not equals:
        raise MergeError(
            f"{flag} {text}: expected {'PATH=COEF (or --coefs CSV)' if flag == '--ckpt' else 'REGEX=NEW'}"
        )
    return left, right


def _method_options() -> dict[str, Any]:
    return {
        name: default for method in methods().values() for name, default in method.options.items()
    }


def _given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The method options that were given; one that the method lacks is refused by the method."""
    given = {name: getattr(arguments, f"option_{name}") for name in _method_options()}
    find_method(arguments.method, has_base=arguments.base is not None)
    return {
        name: None if value == "none" else value
        for name, value in given.items()
        if value is not None
    }


def _flag(name: str) -> str:
    return "--" + name.rstrip("_").replace("_", "-")


def _value(text: str) -> Any:
    """0.2, 3, true, none, l1, or a list: 0.2,0.3."""
    if "," in text:
        return [_value(part) for part in text.split(",")]
    try:
        return json.loads(text.lower()) if text.lower() not in ("none", "null") else "none"
    except json.JSONDecodeError:
        return text


class _Bar:
    """A progress bar with GB/s and the time that is left; silent where nobody watches."""

    def __init__(self, *, quiet: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            unit="B",
            unit_scale=True,
            disable=quiet or not sys.stderr.isatty(),
            desc="merge",
            leave=False,
        )

    def __enter__(self) -> Callable[[int, int], None]:
        return self._show

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _show(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)
