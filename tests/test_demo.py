"""The shipped model and the demo itself, with a few steps of training."""

from __future__ import annotations

import importlib.util
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
from torch.utils.data import Subset

from taujp.data import DEMO_MODEL, Splits, find_task, load_demo_model
from taujp.data.arrays import cached
from taujp.data.demo_model import ASSETS
from taujp.evaluate import accuracy, load_result
from taujp.train import prepare

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"


@pytest.fixture(scope="module")
def demo():
    return load_demo_model()


@pytest.fixture
def script(monkeypatch):
    """The demo's own names; its second file stands beside it."""
    monkeypatch.syspath_prepend(str(DEMO.parent))
    return runpy.run_path(str(DEMO))


def test_the_model_fits_its_words(demo):
    vocabulary = demo.model.token_embedding.num_embeddings
    assert demo.tokenizer.vocabulary_size == vocabulary
    assert demo.tokenizer.context_length == demo.model.context_length


@pytest.mark.parametrize(("name", "least"), [("symbols", 0.7), ("digits", 0.15)])
def test_zero_shot_accuracy_is_what_the_demo_needs(demo, name, least):
    task = prepare(find_task(name), demo.model, demo.tokenizer, demo.transform)
    assert accuracy(demo.model, task.head, task.splits.test) > least


def test_the_assets_are_small_and_carry_their_licences():
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 8e6
    assert (ASSETS / "NOTICE").is_file()
    assert (DEMO_MODEL / "open_clip_config.json").is_file()


@pytest.mark.skipif(
    importlib.util.find_spec("animal_mnist") is None, reason="animal_mnist is not installed"
)
def test_the_demo_runs_and_writes_its_results(demo, script, tmp_path, capsys):
    tasks = [few(name, demo) for name in script["TASKS"]]
    factors = script["factors_of"](demo.model, tasks, 0, images=3)
    world = script["World"](demo.model, tuple(tasks), few(script["CONTROL"], demo), factors, 0)
    script["run"](world, tmp_path, steps=2, coefficients=(0.5, 1.0))
    shown = capsys.readouterr().out
    for text in ("one-shot", "linear + Kronecker", "letters (forget)"):
        assert text in shown
    for name in script["WAYS"]:
        folder = script["folder_of"](name, tmp_path)
        assert load_result(folder / "addition.json").one_shot.coefficient == 1
        assert load_result(folder / "negation.json").control == "symbols"
        assert load_result(folder / "tau_jp.json").data[-1] == "symbols"
        assert "tauJp of the vector" in (folder / "tables.txt").read_text()
    assert (tmp_path / "report.html").stat().st_size > 1000
    for name in ("comparison.png", "tau_jp.png", "linear/checkpoints/digits.safetensors"):
        assert (tmp_path / name).stat().st_size > 1000


def few(name, demo):
    """A task of the demo with the first images of each split."""
    task = prepare(find_task(name), demo.model, demo.tokenizer, demo.transform)
    splits = (task.splits.train, task.splits.validation, task.splits.test)
    return replace(task, splits=Splits(*(cached(Subset(split, range(32))) for split in splits)))


def test_the_penalties_of_the_demo_spare_negations_control(demo, script):
    """What negation must keep is not what training was told to keep."""
    tasks = [few(name, demo) for name in ("digits", "letters")]
    world = script["World"](demo.model, tuple(tasks), few(script["CONTROL"], demo), {}, 0)
    (penalty,) = script["WAYS"]["linear + tauJp"].penalties(world, tasks[1])
    assert penalty.tasks_at(0) == ("digits",)
