"""The command `taujp`: merge files, fine-tune, list the methods, say what is installed."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import taujp
from taujp.commands import (
    compact,
    compare,
    data,
    evaluate,
    factors,
    finetune,
    import_module,
    info,
    inspect,
    lora,
    merge,
    mergekit,
    methods,
    report,
    reproduce,
    search,
    statistics,
)

COMMANDS: dict[
    str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
] = {
    "merge": ("merge checkpoints from files to files", merge.add_arguments, merge.run),
    "mergekit": (
        "merge as a mergekit configuration says",
        mergekit.add_arguments,
        mergekit.run,
    ),
    "finetune": ("fine-tune on a task", finetune.add_arguments, finetune.run),
    "factors": ("gather a task's Kronecker factors", factors.add_arguments, factors.run),
    "data": ("prepare, check and list data sets", data.add_arguments, data.run),
    "eval": ("evaluate fine-tuned checkpoints", evaluate.add_arguments, evaluate.run),
    "search": ("search coefficients and options of a merge", search.add_arguments, search.run),
    "inspect": ("see what checkpoints changed", inspect.add_arguments, inspect.run),
    "compare": ("put results side by side", compare.add_arguments, compare.run),
    "report": ("draw results as one page", report.add_arguments, report.run),
    "reproduce": ("make a published table", reproduce.add_arguments, reproduce.run),
    "import": (
        "take the weights out of a pickled module",
        import_module.add_arguments,
        import_module.run,
    ),
    "statistics": (
        "gather what merges by fisher and regmean need of data",
        statistics.add_arguments,
        statistics.run,
    ),
    "lora": ("extract a PEFT adapter from a fine-tuned model", lora.add_arguments, lora.run),
    "compact": (
        "keep the models of many tasks in one small file",
        compact.add_arguments,
        compact.run,
    ),
    "methods": ("list the merge methods and their options", methods.add_arguments, methods.run),
    "info": ("print versions, modules and hardware", info.add_arguments, info.run),
}


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    root = argparse.ArgumentParser(
        prog="taujp", description="Task arithmetic on fine-tuned models."
    )
    root.add_argument("--version", action="version", version=f"taujp {taujp.__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        add_arguments(command)
        command.set_defaults(run=run)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 on success, 1 with one clear error, 130 when interrupted."""
    arguments = parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _telling(arguments.command)
            return int(arguments.run(arguments))
    except KeyboardInterrupt as interrupt:
        print(f"taujp {arguments.command}: {str(interrupt) or 'stopped'}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has had enough of it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError) as error:
        print(f"taujp {arguments.command}: {_said(error)}", file=sys.stderr)
        return 1


def _said(error: Exception) -> str:
    """What an error says; of the system's own the file and the reason, without their number."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename!r}: {error.strerror}" if error.filename else error.strerror


def _telling(command: str) -> Callable[..., None]:
    """Our own warnings as one line for people; those of others as Python prints them."""
    print_plainly, here = warnings.showwarning, os.path.dirname(taujp.__file__)

    def show(message: Warning | str, category: type[Warning], path: str, *rest: Any) -> None:
        if category is UserWarning and path.startswith(here):
            print(f"taujp {command}: {message}", file=sys.stderr)
        else:
            print_plainly(message, category, path, *rest)

    return show


if __name__ == "__main__":
    sys.exit(main())
