"""`taujp data prepare|check|list`: data sets made ready and looked over, none downloaded."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from taujp.commands import data_check, data_list, data_prepare

ACTIONS: dict[str, tuple[str, Any]] = {
    "prepare": ("make the documented splits of a data set", data_prepare),
    "check": ("find what is wrong with a data set", data_check),
    "list": ("list the tasks, and which are found", data_list),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand an action, each with --root."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (summary, module) in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        root = "folder that holds the data sets (default: here)"
        action.add_argument("--root", type=Path, default=Path("."), metavar="FOLDER", help=root)
        module.add_arguments(action)
        action.set_defaults(act=module.run)


def run(arguments: argparse.Namespace) -> int:
    """The action's exit code."""
    return int(arguments.act(arguments))
