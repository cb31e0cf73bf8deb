"""Every name, option, command, flag and file that README and the guides speak of exists."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import taujp
from taujp.cli import parser
from taujp.merge.merge_many import merge_many
from taujp.merge.prepare import prepare
from taujp.merge.to_files import assemble_to_files

ROOT = Path(__file__).resolve().parent.parent
GUIDES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "python/taujp/data").rglob("*.md")),
]
NAME = re.compile(r"\btaujp(?:\.[A-Za-z_]\w*)+(?![\w/*])")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
FILE = re.compile(r"`((?:csrc|python|tests|docs|scripts|benchmarks|examples)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
SUFFIXES = ("safetensors", "json", "py", "md")  # a file's name, as in "taujp.json"
# Flags of torchrun, and of mergekit's programs that have other names here.
OTHERS = {"--nproc-per-node"}
OTHERS |= {"--tensor-intersection", "--tensor-union", "--out-path", "--print-yaml"}


def guides() -> list[Any]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in GUIDES]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def resolved(path: str) -> Any:
    """The object of a dotted name; AttributeError or ImportError where there is none."""
    first, *rest = path.split(".")
    found, so_far = importlib.import_module(first), first
    for name in rest:
        so_far += "." + name
        try:
            found = getattr(found, name)
        except AttributeError:
            found = importlib.import_module(so_far)
    return found


def is_key(name: str) -> bool:
    """Whether it is a key of our files' headers, as "taujp.kind"."""
    sources = (ROOT / "python/taujp").rglob("*.py")
    return any(f'"{name}"' in source.read_text() for source in sources)


def dotted(node: ast.AST, known: dict[str, str]) -> str | None:
    """A chain of attributes as it would be imported; None for anything else."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, known)
        return f"{owner}.{node.attr}" if owner else None
    return known.get(node.id) if isinstance(node, ast.Name) else None


def imported(tree: ast.AST) -> dict[str, str]:
    """What the block's names of taujp stand for."""
    found = {"taujp": "taujp"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("taujp"):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def accepted(function: Any) -> set[str] | None:
    """The names of a callable's arguments; None where it takes any."""
    parameters = inspect.signature(function).parameters
    if function is merge_many:
        passed_on = (prepare, assemble_to_files)
        named = {name for f in passed_on for name in inspect.signature(f).parameters}
        return {*named, *(name for m in taujp.methods().values() for name in m.options)}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return set(parameters)


@pytest.mark.parametrize("path", guides())
def test_names_that_a_guide_speaks_of_exist(path):
    wrong = []
    for name in sorted(set(NAME.findall(path.read_text()))):
        try:
            if not name.endswith(SUFFIXES):
                resolved(name)
        except (AttributeError, ImportError) as error:
            wrong += [] if is_key(name) else [f"{name}: {error}"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", guides())
def test_code_in_a_guide_calls_what_exists_with_arguments_that_exist(path):
    wrong = []
    for block in blocks(path.read_text(), "python"):
        tree = ast.parse(block)
        known = imported(tree)
        for name in known.values():
            resolved(name)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in calls:
            name = dotted(call.func, known)
            if name is None:
                continue
            names = accepted(resolved(name))
            given = {keyword.arg for keyword in call.keywords if keyword.arg}
            if names is not None and given - names:
                wrong.append(f"{name} has no {sorted(given - names)}; it has {sorted(names)}")
    assert not wrong, "\n".join(wrong)


def commands(text: str) -> Iterator[list[str]]:
    """The words after `taujp` of every command in a block without a language."""
    for block in blocks(text, ""):
        for line in block.replace("\\\n", " ").splitlines():
            start = re.match(r"\s*(?:torchrun .*-m )?taujp (?=[a-z])", line)
            if start:
                yield shlex.split(line[start.end() :], comments=True)


def descended(words: list[str]) -> argparse.ArgumentParser:
    """The parser that takes the rest of the words."""
    at = parser()
    for word in words:
        below = [a for a in at._actions if isinstance(a, argparse._SubParsersAction)]
        if not below or word.startswith("-"):
            break
        assert word in below[0].choices, f"taujp has no command {word!r} in {' '.join(words)!r}"
        at = below[0].choices[word]
    return at


def every_flag(at: argparse.ArgumentParser) -> set[str]:
    """Of a command and of all commands below it."""
    found = {flag for action in at._actions for flag in action.option_strings}
    for action in at._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= set(itertools.chain(*(every_flag(p) for p in action.choices.values())))
    return found


@pytest.mark.parametrize("path", guides())
def test_commands_in_a_guide_have_flags_that_exist(path):
    wrong = []
    for words in commands(path.read_text()):
        known = every_flag(descended(words))
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        wrong += [f"taujp {' '.join(words)}: no {flag}" for flag in sorted(given - known)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", guides())
def test_flags_that_a_guide_speaks_of_exist(path):
    known = every_flag(parser()) | OTHERS
    scripts = [*(ROOT / "examples").glob("*.py"), *(ROOT / "scripts").glob("*.py")]
    known |= {flag for script in scripts for flag in FLAG.findall(script.read_text())}
    spoken = set(itertools.chain(*map(FLAG.findall, re.findall(r"`[^`\n]+`", path.read_text()))))
    assert not spoken - known


@pytest.mark.parametrize("path", guides())
def test_files_that_a_guide_speaks_of_exist(path):
    text = path.read_text()
    named = {ROOT / name for name in FILE.findall(text) if "NAME" not in name}
    linked = {path.parent / name for name in LINK.findall(text)}
    assert not [str(file) for file in named | linked if not file.exists()]
