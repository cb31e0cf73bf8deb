"""The command `taujp`: merge files, fine-tune, list the methods, say what is installed."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import taujp
from taujp.commands.optional_packages import is_optional, needed

# The module of each in `taujp.commands`, imported when its arguments are asked for.
COMMANDS = {
    "merge": ("merge", "merge checkpoints from files to files"),
    "mergekit": ("mergekit", "merge as a mergekit configuration says"),
    "finetune": ("finetune", "fine-tune on a task"),
    "factors": ("factors", "gather a task's Kronecker factors"),
    "data": ("data", "prepare, check and list data sets"),
    "eval": ("evaluate", "evaluate fine-tuned checkpoints"),
    "search": ("search", "search coefficients and options of a merge"),
    "inspect": ("inspect", "see what checkpoints changed"),
    "compare": ("compare", "put results side by side"),
    "report": ("report", "draw results as one page"),
    "reproduce": ("reproduce", "make a published table"),
    "import": ("import_module", "take the weights out of a pickled module"),
    "statistics": ("statistics", "gather what merges by fisher and regmean need of data"),
    "lora": ("lora", "extract a PEFT adapter from a fine-tuned model"),
    "compact": ("compact", "keep the models of many tasks in one small file"),
    "methods": ("methods", "list the merge methods and their options"),
    "info": ("info", "print versions, modules and hardware"),
}


def parser(complete: Iterable[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser of all commands; only those in `complete` have their arguments."""
    root = argparse.ArgumentParser(
        prog="taujp", description="Task arithmetic on fine-tuned models."
    )
    root.add_argument("--version", action="version", version=f"taujp {taujp.__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in complete:
            module = importlib.import_module(f"taujp.commands.{module_name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 on success, 1 with one clear error, 130 when interrupted."""
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = parser(_named(given)).parse_args(given)
    words = _words(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _telling(words)
            return int(arguments.run(arguments))
    except KeyboardInterrupt as interrupt:
        _tell(words, str(interrupt) or "stopped")
        return 130
    except BrokenPipeError:  # whoever read the output has had enough of it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError, MemoryError, OverflowError) as error:
        _tell(words, _said(error))
        return 1


def _named(words: Sequence[str]) -> list[str]:
    """The command among the words: the first that is no option, of which none takes a value."""
    return [word for word in words if not word.startswith("-")][:1]


def _words(arguments: argparse.Namespace) -> list[str]:
    """The command's name and that of the part of it that was chosen."""
    chosen = (getattr(arguments, name, None) for name in ("action", "protocol"))
    return [arguments.command, *(word for word in chosen if word)]


def _tell(words: Sequence[str], text: str) -> None:
    """One line for people: the command, and what it has to say without its own name once more.

    What begins "merge: ..." for those who call it from Python is told by `taujp merge`.
    """
    operation, _, rest = text.partition(": ")
    parts = operation.lower().split("_")
    again = all(any(word.startswith(part) for word in words) for part in parts)
    print(f"taujp {' '.join(words)}: {rest if rest and again else text}", file=sys.stderr)


def _said(error: Exception) -> str:
    """What an error says; of the system's own the file and the reason, without their number."""
    if isinstance(error, ModuleNotFoundError) and is_optional(error.name):
        return needed([str(error.name)])
    if isinstance(error, MemoryError):
        return f"memory is short ({error}); take fewer threads, or a machine with more"
    if isinstance(error, OverflowError):
        return f"a number is too large: {error}"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename!r}: {error.strerror}" if error.filename else error.strerror


def _telling(words: Sequence[str]) -> Callable[..., None]:
    """Our own warnings as one line for people; those of others as Python prints them."""
    print_plainly, here = warnings.showwarning, os.path.dirname(taujp.__file__)

    def show(message: Warning | str, category: type[Warning], path: str, *rest: Any) -> None:
        if category is UserWarning and path.startswith(here):
            _tell(words, str(message))
        else:
            print_plainly(message, category, path, *rest)

    return show
