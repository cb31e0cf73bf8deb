"""What a command says when it cannot: one line, its name once, before the work; no traceback."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from safetensors.torch import save_file

from states import random_states
from taujp.cli import main


@pytest.fixture
def files(tmp_path, monkeypatch):
    """base, a and c .safetensors in the current folder."""
    base, tuned = random_states(2, torch.float32)
    for name, state in {"base": base, "a": tuned[0], "c": tuned[1]}.items():
        save_file(state, tmp_path / f"{name}.safetensors")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


MERGE = ["merge", "--base=base.safetensors", "--ckpt=a.safetensors=1", "--ckpt=c.safetensors=1"]
COMPACT = ["compact", "make", "--base=base.safetensors", "--ckpt=a.safetensors"]
EVAL = ["--model=demo", "--checkpoints", "digits=a.safetensors", "-o", "x.json"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*MERGE, "-o", "taken"], "taujp merge: the output "),
        ([*MERGE, "-o", "x", "--threads", "0"], "taujp merge: threads is 0"),
        ([*MERGE, "-o", "x", "--threads", "9" * 20], "taujp merge: threads is 9"),
        ([*MERGE, "-o", "x", "--density", "2", "--method", "ties"], "taujp merge: ties: density"),
        (["merge", "--ckpt=none=1", "-o", "x"], "taujp merge: open_checkpoint: cannot read 'none'"),
        (["inspect", "a.safetensors", "--top", "-1"], "taujp inspect: top is -1"),
        (["inspect", "a.safetensors", "--top", "9" * 20], "taujp inspect: top is 9"),
        (["inspect", "a.safetensors", "-o", "taken/file/x.html"], "taujp inspect: cannot write "),
        (["lora", "extract", "base.safetensors", "a.safetensors", "-o", "x"], "taujp lora extract: "
         "give rank="),
        ([*COMPACT, "-o", "x"], "taujp compact make: out is 'x'"),
        (["compare", "a.json"], "taujp compare: came 1 side(s)"),
        (["data", "check", "hub:"], "taujp data check: hub: '' names no data set")
        if importlib.util.find_spec("datasets")
        else (["data", "check", "x"], "taujp data check: task: 'x' is not registered"),
        (["eval", "single", *EVAL[:-1], "taken/file/x.json"], "taujp eval single: cannot write "),
        (["search", *EVAL[:-1], "taken/file/x.json", "--space=coefficient=1"],
         "taujp search: cannot write "),
        (["report", "taken", "-o", "x.pdf"], "taujp report: --out x.pdf: expected a name"),
    ],
)  # fmt: skip
def test_one_line_with_the_command_once(files, capsys, words, said):
    before = sorted(files.rglob("*"))
    assert main(words) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(said)
    assert printed.count("\n") == 1
    assert sorted(files.rglob("*")) == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("merge: x is 1: no"), "x is 1: no"),
        (ValueError("ties: merge: no"), "ties: merge: no"),
        (ValueError("merge: "), "merge: "),
        (ValueError("no operation"), "no operation"),
        (OSError(28, "merge: cannot write 'out'"), "cannot write 'out'"),
        (KeyboardInterrupt("merge: stopped; nothing was written"), "stopped; nothing was written"),
        (MemoryError("std::bad_alloc"), "memory is short (std::bad_alloc); take fewer threads, or "
         "a machine with more"),
        (OverflowError("int too large"), "a number is too large: int too large"),
        (ModuleNotFoundError("No module named 'optuna'", name="optuna"), "optuna is not installed; "
         'run `pip install "taujp[search]"`'),
    ],
)  # fmt: skip
def test_whatever_is_raised_is_told(monkeypatch, capsys, error, said):
    def fail(_):
        raise error

    monkeypatch.setattr("taujp.commands.merge.run", fail)
    assert main([*MERGE, "-o", "x"]) in (1, 130)
    assert capsys.readouterr().err == f"taujp merge: {said}\n"


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        (["inspect", "a.safetensors", "-o", "x.html"], "matplotlib", "clip"),
        (["inspect", "a.safetensors", "-o", "x.html"], "jinja2", "clip"),
        (["inspect", "a.safetensors", "-o", "x.json"], "pydantic", "clip"),
        (["report", "taken", "-o", "x.html"], "matplotlib", "clip"),
        (["eval", "single", *EVAL], "pydantic", "clip"),
        (["eval", "single", *EVAL], "open_clip", "clip"),
        (["search", *EVAL, "--space=coefficient=1", "--by=tpe"], "optuna", "search"),
        (["search", *EVAL, "--space=coefficient=1"], "pydantic", "clip"),
        (["reproduce", "addition", "--model=demo", "-o", "x"], "lightning_fabric", "clip"),
    ],
)
def test_a_missing_package_is_told_before_the_work(
    files, capsys, monkeypatch, words, package, extra
):
    """Of the one package alone: others may be missing here too."""
    there = "taujp.commands.optional_packages.is_installed"
    monkeypatch.setattr(there, lambda name: name != package)
    assert main(words) == 1
    printed = capsys.readouterr()
    command = " ".join(words[: 2 if words[0] in ("eval", "reproduce") else 1])
    advice = f'{package} is not installed; run `pip install "taujp[{extra}]"`'
    assert printed.err == f"taujp {command}: {advice}\n"
    assert printed.out == ""
    assert not list(files.glob("x*"))
