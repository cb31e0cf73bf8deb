"""`taujp merge`: checkpoints in, a checkpoint out; never imports torch."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from taujp.commands.merge_arguments import add_arguments, given_options, pair
from taujp.commands.merge_progress import Bar, plan_text
from taujp.merge.errors import MergeError
from taujp.merge.method import methods
from taujp.merge.prepare import Merge, prepare
from taujp.merge.sweep_file import read_sweep

__all__ = ["add_arguments", "run"]
PREPARED = ("method", "lambda_", "rounding", "prefix", "missing", "nonfinite", "dtype")
WRITTEN = ("overwrite", "threads", "donor", "sha256", "shard_size", "device")


def run(arguments: argparse.Namespace) -> int:
    """Merge, or print the plan."""
    from taujp.merge.to_files import merge_to_files

    paths, coefs = _inputs(arguments)
    rename = dict(pair("--rename", text, "REGEX=NEW") for text in arguments.rename)
    shared = {name: getattr(arguments, name) for name in PREPARED}
    options = given_options(arguments)
    merge = prepare(paths, coefs, arguments.base, rename=rename or None, **shared, **options)
    if arguments.dry_run:
        print(_plan(merge, arguments))
        return 0
    first = os.environ.get("RANK", "0") == "0"  # of a torchrun job, whose ranks share the work
    with Bar(quiet=arguments.quiet or not first) as progress:
        files = {name: getattr(arguments, name) for name in WRITTEN}
        written = merge_to_files(merge, arguments.out, progress=progress, ranks=True, **files)
    if first:
        print("\n".join(written))
    return 0


def _inputs(arguments: argparse.Namespace) -> tuple[list[str], list]:
    """The checkpoints' paths, and [N] coefficients or [K, N]."""
    if arguments.coefs is not None:
        _check_no_own(arguments.ckpt)
        return arguments.ckpt, read_sweep(arguments.coefs, arguments.ckpt)
    if arguments.method and not methods()[arguments.method].weighted:
        own = [_own_weights(text) for text in arguments.ckpt]
        return [path for path, _ in own], [coef for _, coef in own]
    expected = "PATH=COEF with a number, or --coefs CSV"
    pairs = [pair("--ckpt", text, expected) for text in arguments.ckpt]
    try:
        return [path for path, _ in pairs], [float(coef) for _, coef in pairs]
    except ValueError as error:
        raise MergeError(f"--ckpt: {error}; expected {expected}") from None


def _check_no_own(checkpoints: Sequence[str]) -> None:
    """With --coefs a checkpoint's own coefficient would be a second one."""
    for text in checkpoints:
        path, equals, _ = text.rpartition("=")
        if equals and os.path.exists(path) and not os.path.exists(text):
            raise MergeError(f"--ckpt {text}: --coefs gives the coefficients; name {path} alone")


def _own_weights(text: str) -> tuple[str, float]:
    """For a method that finds its own weights PATH is enough; PATH=1 says the same."""
    path, equals, coef = text.rpartition("=")
    try:
        return (path, float(coef)) if equals and not os.path.exists(text) else (text, 1.0)
    except ValueError:
        return text, 1.0


def _plan(merge: Merge, arguments: argparse.Namespace) -> str:
    from taujp.merge.dry_run import dry_run

    sizes = {"threads": arguments.threads, "shard_size": arguments.shard_size}
    return plan_text(
        f"{merge.method} of {len(merge.checkpoints)} checkpoints",
        f"{merge.coefficients.results} to {arguments.out!r}",
        dry_run(merge, arguments.out, **sizes),
    )
