"""`taujp compact`: the models of many tasks in one small file, and any of them out of it."""

from __future__ import annotations

import argparse

from taujp.commands.byte_size import byte_size
from taujp.commands.merge_arguments import add_method_options, given_options
from taujp.commands.merge_progress import size_text
from taujp.commands.output_path import output_text
from taujp.merge.method import methods


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp compact` takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    summary = "write one vector and a mask for each task"
    make = actions.add_parser("make", help=summary, description=summary)
    _add_making(make)
    summary = "make the model of one task again"
    rebuild = actions.add_parser("rebuild", help=summary, description=summary)
    _add_rebuilding(rebuild)


def run(arguments: argparse.Namespace) -> int:
    """Make a compact file, or a model out of one."""
    return _make(arguments) if arguments.action == "make" else _rebuild(arguments)


def _add_making(parser: argparse.ArgumentParser) -> None:
    checkpoint = "a fine-tuned checkpoint; repeat"
    by_task = [name for name, method in methods().items() if method.per_task]
    parser.add_argument("--ckpt", action="append", required=True, metavar="PATH", help=checkpoint)
    _add_base(parser)
    parser.add_argument("--method", choices=by_task, default="emr", help="(default emr)")
    add_method_options(parser, by_task)
    prefix = "only parameters whose names begin so"
    parser.add_argument("--prefix", metavar="TEXT", help=prefix)
    out = "a name that ends in .safetensors"
    parser.add_argument("-o", "--out", required=True, type=output_text, metavar="PATH", help=out)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _add_rebuilding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("compact", metavar="FILE", help="what `taujp compact make` wrote")
    task = "its name: that of the checkpoint's file"
    parser.add_argument("--task", required=True, metavar="NAME", help=task)
    _add_base(parser)
    factor = "factor of the task's vector (default 1)"
    parser.add_argument(
        "--lambda", dest="lambda_", type=float, default=1.0, metavar="X", help=factor
    )
    out = "NAME.safetensors for a file, else a folder"
    parser.add_argument("-o", "--out", required=True, type=output_text, metavar="PATH", help=out)
    dtype = "float32, float16 or bfloat16 (default: the base's)"
    parser.add_argument("--dtype", metavar="NAME", help=dtype)
    size = "bytes a file of the output may hold, e.g. 5GB (default: files as the base's)"
    parser.add_argument(
        "--out-shard-size", dest="shard_size", type=byte_size, metavar="SIZE", help=size
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an output that exists")


def _add_base(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", required=True, metavar="PATH", help="theta0 of all of them")


def _make(arguments: argparse.Namespace) -> int:
    from taujp.merge.compact import compact

    found = compact(
        arguments.ckpt,
        [1.0] * len(arguments.ckpt),
        arguments.base,
        arguments.out,
        method=arguments.method,
        prefix=arguments.prefix,
        overwrite=arguments.overwrite,
        **given_options(arguments),
    )
    share = found.bytes / found.models
    whole = f"{share:.2f} of the {size_text(found.models)} of {len(found.tasks)} models"
    print(f"{found.path}: {size_text(found.bytes)}, {whole}; tasks {', '.join(found.tasks)}")
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    from taujp.merge.compact import rebuild

    written = rebuild(
        arguments.compact,
        arguments.task,
        arguments.base,
        lambda_=arguments.lambda_,
        out=arguments.out,
        dtype=arguments.dtype,
        shard_size=arguments.shard_size,
        overwrite=arguments.overwrite,
    )
    print(written)
    return 0
