"""`--help` of every command: each argument says what it is, what stands for it and its default."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from taujp.cli import COMMANDS, parser

SHORT = {"--out": "-o", "--quiet": "-q"}  # a name that has a short form has it everywhere


def arguments(at: argparse.ArgumentParser, words: str) -> Iterator[tuple[str, argparse.Action]]:
    """Every argument of a command and of those below it, with what is typed for it."""
    for action in at._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from arguments(below, f"{words} {name}")
        elif not isinstance(action, argparse._HelpAction):
            yield f"{words} {(action.option_strings or [action.dest])[-1]}", action


def fault(action: argparse.Action) -> str:
    """What a new user would miss in its help; nothing where there is all."""
    if not action.help:
        return "no help"
    if any(flag in action.option_strings and SHORT[flag] not in action.option_strings
           for flag in SHORT):  # fmt: skip
        return "no short form"
    if action.option_strings and action.nargs != 0 and not (action.metavar or action.choices):
        return "" if action.dest == "device" else f"its value is called {action.dest.upper()}"
    taken = action.default not in (None, [], "", False) and not action.required
    if taken and not isinstance(action, argparse._StoreConstAction):
        return "" if "default" in action.help else f"its default {action.default!r} is not told"
    return ""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_all(command):
    (below,) = [a for a in parser([command])._actions if isinstance(a, argparse._SubParsersAction)]
    found = {words: fault(a) for words, a in arguments(below.choices[command], command)}
    assert {words: what for words, what in found.items() if what} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_shown(command, capsys):
    """With every % and brace of it in its place."""
    with pytest.raises(SystemExit):
        parser([command]).parse_args([command, "--help"])
    assert f"usage: taujp {command}" in capsys.readouterr().out
