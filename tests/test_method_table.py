"""docs/methods.md: every data-free method is in a table, and the tables are of the figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import taujp
from small_clip import small_clip, small_tasks
from taujp.evaluate import MergedWeights, addition, classifier_of
from taujp.train import Recipe, finetune

sys.path.append(str(Path(__file__).parent.parent / "scripts"))

import method_table
from method_tables import choosing, measuring, tables
from method_tables.drawing import draw

FIGURES = json.loads(method_table.FIGURES.read_text())
QUICK = Recipe(steps=15, batch_size=32, learning_rate=3e-3, weight_decay=0.0, warmup_steps=3)
KINDS = {
    "sums": choosing.of_sums,
    "adapters": choosing.of_adapters,
    "tasks": choosing.of_tasks,
    "pairs": choosing.of_pairs,
}


@pytest.fixture(scope="module")
def world():
    """What measuring takes of a World: a model and tasks."""
    model = small_clip()

    class Small:
        tasks = tuple(small_tasks(model))

        def task(self, name):
            return next(task for task in self.tasks if task.name == name)

    Small.model = model
    return Small()


@pytest.fixture(scope="module")
def states(world):
    base = {name: v.clone() for name, v in classifier_of(world.model).state().items()}
    tuned = [
        finetune(world.model, task.head, task.splits.train, QUICK, progress=False).state
        for task in world.tasks
    ]
    return [base, *tuned]


@pytest.fixture
def models(world, states):
    names = (task.name for task in world.tasks)
    return MergedWeights(world.model, dict(zip(names, states[1:], strict=True)))


def test_every_method_has_its_place():
    placed = [name for names in KINDS.values() for name in names()]
    placed += [name for names in choosing.left_out().values() for name in names]
    assert set(placed) == set(taujp.methods())
    assert {name for name in placed if placed.count(name) > 1} == set(choosing.REFERENCES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_was_run_on_every_seed(kind):
    for seed, run in FIGURES.items():
        missing = set(KINDS[kind]()) - run[kind].keys()
        assert not missing, f"run scripts/method_table.py: seed {seed} lacks {missing}"


def test_the_tables_are_of_the_figures():
    page = method_table.PAGE.read_text()
    for name, text in method_table.tables(FIGURES).items():
        assert method_table.with_table(page, name, text) == page, (
            f"{name} is stale: run scripts/method_table.py --only-tables"
        )
    with pytest.raises(ValueError, match="no place for the table 'other'"):
        method_table.with_table(page, "other", "")


def test_the_figures_make_sense():
    for run in FIGURES.values():
        zero, sums = run["references"]["zero_shot"]["normalised"], run["sums"]
        for name, found in sums.items():
            assert 0 < found["best"]["normalised"] <= 1.05, name
        assert sums["task_arithmetic"]["best"]["normalised"] > zero + 0.1
        # With an own mask each the tasks keep what one model of all loses.
        best = max(found["best"]["normalised"] for found in sums.values())
        assert run["tasks"]["emr"]["best"]["normalised"] > best


def test_one_model_of_all_is_measured_as_addition_does(models, world, monkeypatch):
    monkeypatch.setattr(measuring, "GRID", (0.25, 0.5, 1.0))
    found = measuring.on_four(models, world, "task_arithmetic")
    added = addition(models, world.tasks, coefficients=(0.25, 0.5, 1.0))
    assert found["default"]["normalised"] == added.one_shot.normalised
    assert found["best"]["normalised"] == added.chosen.normalised
    assert found["best"]["coefficient"] == added.chosen.coefficient
    average = measuring.on_four(models, world, "average")
    assert average["default"] == average["best"]
    assert "coefficient" not in average["best"]


def test_masks_are_measured_task_by_task(models, world, states):
    found = measuring.on_tasks(models, world, states, "tall_mask")
    merged = taujp.merge_many(states[1:], [1.0, 1.0], states[0], method="tall_mask")
    accuracies = []
    for task, state in zip(world.tasks, merged, strict=True):
        alone = MergedWeights(world.model, {task.name: state})
        accuracies.append(alone.own_scores(task.name, task, "test").accuracy)
    assert found["default"]["absolute"] == pytest.approx(sum(accuracies) / 2)
    assert found["best"]["share"] in measuring.OF_TASKS["tall_mask"][1]


def test_the_cost_of_a_merge(states):
    for method in ("ties", "average", "slerp"):
        cost = measuring.cost_of(states, method)
        assert cost["milliseconds"] > 0
        assert cost["megabytes"] >= 0


def test_a_picture_of_one_seed_and_of_many(tmp_path):
    one = {"0": FIGURES["0"]}
    assert draw(one, tmp_path / "one.png").stat().st_size > 1000
    assert draw({**one, "1": FIGURES["0"]}, tmp_path / "two.png").exists()
    assert "±" in tables.sums_table({**one, "1": FIGURES["0"]}, "sums")
    assert "±" not in tables.sums_table(one, "sums")
