"""`taujp methods`: what each merge does, and its options."""

from __future__ import annotations

import argparse
import inspect

from taujp.merge.method import methods


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A method's name for its whole documentation."""
    parser.add_argument("name", nargs="?", help="show all that is known of this method")


def run(arguments: argparse.Namespace) -> int:
    """Print one line a method, or one method in full."""
    if arguments.name is None:
        for method in methods().values():
            needs = "base" if method.needs_base else "no base"
            options = ", ".join(f"{key}={value!r}" for key, value in method.options.items())
            print(f"{method.name:18} {method.summary}\n{'':18} {needs}; {options}")
        return 0
    if arguments.name not in methods():
        raise ValueError(f"no method {arguments.name!r}; there are {', '.join(methods())}")
    method = methods()[arguments.name]
    print(f"{method.name}{inspect.signature(method.build)}\n\n{inspect.getdoc(method.build)}")
    return 0
