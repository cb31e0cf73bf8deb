"""The shipped model and the demo itself, with a few steps of training."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest

from taujp.data import DEMO_MODEL, find_task, load_demo_model
from taujp.data.demo_model import ASSETS
from taujp.evaluate import accuracy, load_result
from taujp.train import prepare

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"


@pytest.fixture(scope="module")
def demo():
    return load_demo_model()


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
def test_the_demo_runs_and_writes_its_results(tmp_path, capsys):
    runpy.run_path(str(DEMO))["run"](tmp_path, steps=2, coefficients=(0.5, 1.0))
    shown = capsys.readouterr().out
    for text in ("zero-shot", "merged, coefficient 1", "letters (forget)"):
        assert text in shown
    assert load_result(tmp_path / "addition.json").one_shot.coefficient == 1
    load_result(tmp_path / "negation.json")
    for name in ("addition.png", "negation.png", "checkpoints/digits.safetensors"):
        assert (tmp_path / name).stat().st_size > 1000
