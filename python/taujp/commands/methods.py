"""`taujp methods`: what each merge does, what it needs and costs, and its options."""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Callable

from taujp.merge.method import Method, methods

# Functions of their own, since they run the model: {name: (summary, needs and cost)}.
LIVE = {
    "adamerging": (
        "Learn the coefficients of a sum of task vectors from unlabelled data of all tasks.",
        "needs base, a live model, unlabelled data of each task; a step is a merge, a forward and "
        "backward pass a task, and one pass for the gradient",
    ),
    "regmean_plus_plus": (
        "Merge by regression where regmean's layers drift apart: deep models, many tasks.",
        "needs a live model, unlabelled data of each task; about half as many forward passes as "
        "there are layers, and regmean's solves",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A method's name for its whole documentation."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="show all that is known of this method"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one line a method, or one method in full."""
    name = arguments.name
    if name is None:
        _list()
    elif name in methods():
        method = methods()[name]
        more = f"Needs: {method.needs}. Cost: {method.cost}."
        _show(f"{name}({_options(method)})", method.build, more)
    elif name in LIVE:
        function = getattr(importlib.import_module("taujp"), name)
        _show(f"taujp.{name}({_parameters(function)})", function, "Called from Python.")
    else:
        raise ValueError(f"no method {name!r}; there are {', '.join([*methods(), *LIVE])}")
    return 0


def _list() -> None:
    for method in methods().values():
        options = _options(method)
        print(f"{method.name:18} {method.summary}")
        print(f"{'':18} needs {method.needs}; {method.cost}" + f"; {options}" * bool(options))
    print("\nFrom Python, as taujp.NAME(...):")
    for name, (summary, needs) in LIVE.items():
        print(f"{name:18} {summary}\n{'':18} {needs}")


def _options(method: Method) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in method.options.items())


def _parameters(function: Callable) -> str:
    """Names and defaults; what they may be the documentation says."""
    signature = inspect.signature(function)
    bare = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    return text.removeprefix("(").removesuffix(")")


def _show(call: str, function: Callable, more: str) -> None:
    print(f"{call}\n\n{inspect.getdoc(function)}\n\n{more}")
