"""`taujp methods`: what each merge does, what it needs and costs, and its options."""

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
            options = ", ".join(f"{key}={value!r}" for key, value in method.options.items())
            print(f"{method.name:18} {method.summary}")
            print(f"{'':18} needs {method.needs}; {method.cost}" + f"; {options}" * bool(options))
        return 0
    if arguments.name not in methods():
        raise ValueError(f"no method {arguments.name!r}; there are {', '.join(methods())}")
    method = methods()[arguments.name]
    print(f"{method.name}{inspect.signature(method.build)}\n\n{inspect.getdoc(method.build)}")
    print(f"\nNeeds: {method.needs}. Cost: {method.cost}.")
    return 0
