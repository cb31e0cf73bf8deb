"""`taujp search`: what people type, what is written, and what they are told."""

from __future__ import annotations

import argparse

import pytest
import torch

from small_clip_files import small_clip_folder, small_registered_tasks
from taujp.cli import main
from taujp.commands.search import dimension
from taujp.commands.task_argument import task_named
from taujp.evaluate.figures import figures
from taujp.evaluate.provenance import checkpoint_digest
from taujp.evaluate.result_files import load_record
from taujp.report import write_report
from taujp.searching import Range
from taujp.train import Recipe, finetune, prepare
from taujp.train.model import load_model

QUICK = Recipe(steps=15, batch_size=16, learning_rate=1e-2, warmup_steps=3, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_clip_folder(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module")
def checkpoints(folder, tmp_path_factory):
    """A folder with a file a task, while the tasks are known."""
    torch.set_num_threads(1)
    found, loaded = tmp_path_factory.mktemp("checkpoints"), load_model(str(folder))
    with small_registered_tasks() as names:
        for name in names:
            task = prepare(task_named(name), loaded.model, loaded.tokenizer, loaded.transform)
            out = found / f"{name}.safetensors"
            finetune(
                loaded.model, task.head, task.splits.train, QUICK, out=out, progress=False
            )  # fmt: skip
        yield found


@pytest.fixture
def run(folder, checkpoints, tmp_path):
    """Runs the command; gives its exit status and where the result is."""

    def run(*arguments):
        out = tmp_path / "found.json"
        given = ("search", "--model", folder, "--folder", checkpoints, "-o", out, *arguments)
        return main([str(word) for word in given]), out

    return run


def test_a_search_is_saved_with_where_it_comes_from(run, checkpoints, capsys, tmp_path):
    status, out = run(
        "--space=coefficient=0:1:3", "--space=method=ties,task_arithmetic",
        "--space=density=0.2,0.5", "--way", "non-linear",
    )  # fmt: skip
    assert status == 0
    record = load_record(out)
    assert record.kind == "search"
    assert len(record.result.trials) == 9
    assert record.provenance.checkpoints["colour"] == checkpoint_digest(
        checkpoints / "colour.safetensors"
    )
    assert record.provenance.way == "non-linear"
    text = capsys.readouterr().out
    assert "validation, % (grid)" in text
    assert "test, %" in text
    assert "found.json: 9 points" in text
    assert figures(record.result)["normalised, tuned"] == record.result.test.normalised
    assert write_report([out], tmp_path / "page.html").exists()


def test_what_is_fixed_and_who_samples(run):
    pytest.importorskip("optuna", reason="Optuna is not installed (extra `search`)")
    status, out = run(
        "--space=coefficient=0.1..1.0", "--method=ties", "--option=density=0.3", "--by=tpe",
        "--trials=3", "--measure=worst", "-q",
    )  # fmt: skip
    assert status == 0
    found = load_record(out).result
    assert (found.method, found.options, len(found.trials)) == ("ties", {"density": 0.3}, 3)
    assert found.objective == "worst accuracy"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--space=densty=0.1"], "no option"),
        (["--space=coefficient=0", "--space=coefficient=1"], "given twice"),
        (["--space=coefficient=0.1..0.9"], "needs its points"),
    ],
)
def test_what_makes_no_sense_is_one_line(run, capsys, arguments, told):
    status, out = run(*arguments)
    assert status == 1
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_values_as_they_are_typed():
    assert dimension("density=0.1,0.2") == ("density", [0.1, 0.2])
    assert dimension("coefficient=0:1:3") == ("coefficient", [0.0, 0.5, 1.0])
    assert dimension("normalize=true,false") == ("normalize", [True, False])
    assert dimension("rescale=none,l1") == ("rescale", [None, "l1"])
    assert dimension("rate=0.1..1:log") == ("rate", Range(0.1, 1, log=True))
    assert dimension("tasks=1..4") == ("tasks", Range(1, 4))
    assert dimension("coefficient:a-*=1") == ("coefficient:a-*", [1])


@pytest.mark.parametrize("text", ["density", "=1", "density=", "x=1..0", "x=a..b", "x=1..2:lg"])
def test_values_that_mean_nothing(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        dimension(text)
