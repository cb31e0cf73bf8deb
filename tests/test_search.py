"""Searching coefficients and options: every point once, validation alone, and nothing lost."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

import taujp
from small_clip import finetuned_states, small_clip, small_tasks
from taujp.data import Splits
from taujp.evaluate import addition, load_result, merged_models
from taujp.searching import Range, Trial
from taujp.train import Recipe

QUICK = Recipe(steps=20, batch_size=32, learning_rate=3e-3, weight_decay=0.0, warmup_steps=3)


@pytest.fixture(scope="module")
def model():
    return small_clip()


@pytest.fixture(scope="module")
def tasks(model):
    return small_tasks(model)


@pytest.fixture(scope="module")
def finetuned(model, tasks):
    return finetuned_states(model, tasks, QUICK)


@pytest.fixture
def models(model, finetuned):
    return merged_models(model, finetuned)


def bowl(point):
    """Best at x = 0.3, y = "b"."""
    return -((point["x"] - 0.3) ** 2) - (point["y"] != "b")


def values_of(found):
    return [dict(trial.values) for trial in found.trials]


def test_a_grid_tries_every_point_once_and_finds_the_best():
    found = taujp.search(bowl, {"x": Range(0, 1, 0.1), "y": ["a", "b"]})
    assert len(found.trials) == 22
    assert len({json.dumps(point) for point in values_of(found)}) == 22
    assert found.best.values["y"] == "b"
    assert found.best.values["x"] == pytest.approx(0.3)
    assert found.best.value == max(trial.value for trial in found.trials)
    assert (found.objective, found.by, found.test) == ("bowl", "grid", None)


def test_small_values_are_the_best_where_asked_for():
    found = taujp.search(lambda point: (point["x"] - 2) ** 2, {"x": [0, 1, 2, 3]}, maximise=False)
    assert found.best.values == {"x": 2}


def test_minus_infinity_passes_a_point_over():
    found = taujp.search(lambda p: 1.0 if p["x"] == 1 else float("-inf"), {"x": [0, 1]})
    assert found.best.values == {"x": 1}


def test_the_last_point_of_a_range_is_its_end():
    assert Range(0, 1, 0.05).grid("x")[-1] == 1.0
    assert len(Range(0, 1, 0.05).grid("x")) == 21
    assert Range(1, 3).grid("x") == (1, 2, 3)
    assert Range(0.0, 1.0, 0.4).grid("x") == (0.0, 0.4, 0.8)


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({}, "the space is {}"),
        (None, "the space is None"),
        ({"x": []}, "'x' is \\[\\]"),
        ({"x": [math.nan]}, "finite"),
        ({"x": [object()]}, "finite numbers, texts"),
        ({"x": Range(0.0, 1.0)}, "needs its points"),
        ({"x": list(range(2000)), "y": list(range(2000))}, "4,000,000 points"),
    ],
)
def test_a_space_that_means_nothing_is_refused(space, told):
    with pytest.raises(ValueError, match=told):
        taujp.search(bowl, space)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((1, 1), "low < high"),
        ((0, 1, -0.1), "step above 0"),
        ((0, 1, None, True), "log needs low > 0"),
        ((0, math.inf), "finite"),
    ],
)
def test_a_range_that_means_nothing_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        Range(*arguments)


@pytest.mark.parametrize("given", [math.nan, None, "good"])
def test_an_objective_that_gives_no_number_is_told_with_its_point(given):
    with pytest.raises(ValueError, match=r"gave .* at \{'x': 1\}"):
        taujp.search(lambda point: given, {"x": [1]})


def test_what_is_neither_function_nor_tasks_is_refused(models, tasks):
    with pytest.raises(ValueError, match="expected a function, or tasks"):
        taujp.search(tasks, {"coefficient": [1.0]})
    with pytest.raises(ValueError, match="models with tasks alone"):
        taujp.search(bowl, {"x": [1.0]}, models=models)
    with pytest.raises(ValueError, match="trials is 0"):
        taujp.search(bowl, {"x": [1.0]}, trials=0)
    with pytest.raises(ValueError, match=r"ends in \.json"):
        taujp.search(bowl, {"x": [1.0]}, out="here.txt")


def test_a_common_coefficient_gives_what_addition_gives(models, tasks):
    grid = [0.0, 0.25, 0.5, 0.75, 1.0]
    added = addition(models, tasks, coefficients=grid)
    found = taujp.search(tasks, {"coefficient": grid}, models=models)
    assert [t.value for t in found.trials] == [point.normalised for point in added.validation]
    assert [dict(t.scores) for t in found.trials] == [dict(p.scores) for p in added.validation]
    assert found.best.values["coefficient"] == added.chosen.coefficient
    assert found.test == added.chosen


def test_methods_share_a_search_and_options_are_of_those_that_have_them(models, tasks):
    space = {
        "method": ["task_arithmetic", "ties", "tsv_m"],
        "density": [0.2, 0.5],
        "coefficient": [0.5, 1.0],
    }
    found = taujp.search(tasks, space, models=models)
    assert len(found.trials) == 2 + 4 + 2
    for trial in found.trials:
        assert ("density" in trial.values) == (trial.values["method"] == "ties")
        options = {k: v for k, v in trial.values.items() if k == "density"}
        alone = models.merging(trial.values["method"], **options)
        row = dict.fromkeys(models.names, trial.values["coefficient"])
        for task in tasks:
            assert trial.scores[task.name] == alone.scores([row], task, "validation")[0]


def test_options_of_the_models_stay_where_the_space_has_none(model, finetuned, tasks):
    models = merged_models(model, finetuned, method="ties", density=0.5, normalize=False)
    found = taujp.search(tasks, {"coefficient": [0.5]}, models=models)
    assert (found.method, found.options) == ("ties", {"density": 0.5, "normalize": False})
    expected = addition(models, tasks, coefficients=[0.5]).validation[0]
    assert found.best.value == expected.normalised
    varied = taujp.search(tasks, {"density": [0.5, 0.1], "coefficient": [0.5]}, models=models)
    assert varied.trials[0].value == expected.normalised


def test_tasks_and_layers_have_coefficients_of_their_own(models, tasks):
    by_task = taujp.search(tasks, {"coefficient": [0.0, 1.0]}, models=models, scheme="task")
    assert len(by_task.trials) == 4
    assert set(by_task.best.values) == {"coefficient:colour", "coefficient:side"}
    row = {"colour": 1.0, "side": 0.0}
    expected = models.scores([row], tasks[0], "validation")[0]
    chosen = {"coefficient:colour": 1.0, "coefficient:side": 0.0}
    trial = next(one for one in by_task.trials if one.values == chosen)
    assert trial.scores["colour"] == expected
    space = {"coefficient:*resblocks*": [0.5, 1.0], "coefficient": [0.5]}
    by_layer = taujp.search(tasks, space, models=models, scheme="layer")
    assert len(by_layer.trials) == 2
    same = by_layer.trials[0]
    common = models.scores([dict.fromkeys(models.names, 0.5)], tasks[0], "validation")[0]
    assert same.scores["colour"].accuracy == pytest.approx(common.accuracy, abs=0.05)


def test_the_worst_task_can_be_what_counts(models, tasks):
    found = taujp.search(tasks, {"coefficient": [0.3, 1.0]}, models=models, measure="worst")
    own = {t.name: models.own_scores(t.name, t, "validation").accuracy for t in tasks}
    for trial in found.trials:
        assert trial.value == min(s.accuracy / own[n] for n, s in trial.scores.items())


@pytest.mark.parametrize(
    ("space", "scheme", "told"),
    [
        ({"densty": [0.1]}, "common", "'densty'.*no option"),
        ({"method": ["tie"]}, "common", "no method \\['tie'\\]"),
        ({"method": ["slerp", "expo"]}, "common", "expo for 2 checkpoints"),
        ({"method": ["emr"]}, "common", "emr gives a model for each task"),
        ({"method": Range(0, 1)}, "common", "list of names"),
        ({"coefficient:a": [1.0]}, "common", "expected 'coefficient'"),
        ({"coefficient:nowhere": [1.0]}, "task", "match no task"),
        ({"coefficient:colour": [1.0]}, "task", "\\['side'\\] have no coefficient"),
        ({"coefficient": [1.0]}, "all", "scheme is 'all'"),
    ],
)
def test_names_that_mean_nothing_are_refused_before_any_work(models, tasks, space, scheme, told):
    with pytest.raises(ValueError, match=told):
        taujp.search(tasks, space, models=models, scheme=scheme)


def test_linearised_models_have_coefficients_alone(model, finetuned, tasks):
    from taujp.evaluate import MergedTangents

    linear = MergedTangents(model, finetuned)
    found = taujp.search(tasks, {"coefficient": [0.5, 1.0]}, models=linear)
    assert len(found.trials) == 2
    with pytest.raises(ValueError, match="coefficients alone"):
        taujp.search(tasks, {"lambda_": [0.5]}, models=linear)


def hiding(task):
    """The task whose test data may not be looked at."""

    class Hidden(torch.utils.data.Dataset):
        def __len__(self):
            raise AssertionError("test data were looked at")

        __getitem__ = None

    return replace(task, splits=Splits(task.splits.train, task.splits.validation, Hidden()))


def test_the_search_sees_validation_alone(models, tasks):
    from taujp.searching.on_tasks import OnTasks

    hidden = [hiding(task) for task in tasks]
    options = {"scheme": "common", "measure": "normalised", "at_once": 4}
    objective = OnTasks(models, hidden, {"coefficient": (0.0, 1.0)}, **options)
    assert len(objective.measure(objective.space.points())) == 2
    with pytest.raises(AssertionError, match="were looked at"):
        taujp.search(hidden, {"coefficient": [0.0, 1.0]}, models=models)  # the best, at the end


def test_a_killed_grid_goes_on_and_may_grow(tmp_path):
    out, seen = tmp_path / "found.json", []

    def objective(point):
        seen.append(point["x"])
        if len(seen) == 3:
            raise KeyboardInterrupt
        return -abs(point["x"] - 2)

    with pytest.raises(KeyboardInterrupt):
        taujp.search(objective, {"x": [0, 1, 2, 3]}, out=out)
    journal = tmp_path / "found.trials.jsonl"
    with journal.open("a") as stream:
        stream.write('{"values": {"x": 9}, "val')  # cut off by the kill
    found = taujp.search(objective, {"x": [0, 1, 2, 3]}, out=out)
    assert seen == [0, 1, 2, 2, 3]
    assert found.best.values == {"x": 2}
    assert load_result(out) == found
    more = taujp.search(objective, {"x": [2, 0, 5]}, out=out)
    assert seen == [0, 1, 2, 2, 3, 5]
    assert values_of(more) == [{"x": 2}, {"x": 0}, {"x": 5}]


def test_trials_of_another_search_are_not_taken_for_ones_own(
    models, model, finetuned, tasks, tmp_path
):
    out = tmp_path / "found.json"
    taujp.search(tasks, {"coefficient": [0.5]}, models=models, out=out)
    moved = {name: {k: v * 1.01 for k, v in s.items()} for name, s in finetuned.items()}
    with pytest.raises(ValueError, match="differ in checkpoints"):
        taujp.search(tasks, {"coefficient": [0.5]}, models=merged_models(model, moved), out=out)
    with pytest.raises(ValueError, match="differ in measure"):
        taujp.search(tasks, {"coefficient": [0.5]}, models=models, out=out, measure="worst")


def test_two_searches_do_not_write_one_journal(tmp_path):
    from taujp.searching.journal import Journal

    with (
        Journal(tmp_path / "a.jsonl", {"a": 1}),
        pytest.raises(ValueError, match="written by another"),
        Journal(tmp_path / "a.jsonl", {"a": 1}),
    ):
        pass


def test_a_place_where_no_journal_can_be_is_told_before_any_trial(tmp_path):
    (tmp_path / "file").touch()
    tried = []
    with pytest.raises(OSError, match=r"search: cannot keep its trials in .*; choose another out"):
        taujp.search(tried.append, {"x": [1]}, out=tmp_path / "file" / "out.json")
    assert not tried


def test_a_damaged_line_of_a_journal_is_named(tmp_path):
    from taujp.searching.journal import Journal

    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"values": {"x": 1}}\n')
    with pytest.raises(ValueError, match=r"line 2.*value"), Journal(path, {"a": 1}):
        pass


def test_merges_of_many_rows_at_once_are_those_of_each(model, finetuned, tasks, monkeypatch):
    from taujp.evaluate import live_weights

    rows = [
        {"colour": 0.4, "side": 0.4},
        {"colour": 1.0, "side": 1.0},
        {"colour": 0.2, "side": 0.9},
    ]
    rows += [{"colour": 0.7}, {}, {"colour": {"conv1": 0.5}, "side": 0.3}]
    for method in ("ties", "dare_ties", "tsv_m", "linear"):
        at_once = merged_models(model, finetuned, method=method).scores(rows, tasks[0], "test")
        monkeypatch.setattr(live_weights, "HELD", 0)
        each = merged_models(model, finetuned, method=method).scores(rows, tasks[0], "test")
        monkeypatch.undo()
        assert at_once == each, method


def test_a_search_result_is_whole_after_its_file(tmp_path):
    found = taujp.search(
        lambda p: float("-inf") if p["x"] else 1.0, {"x": [0, 1]}, out=tmp_path / "a.json"
    )
    assert load_result(tmp_path / "a.json") == found
    assert isinstance(found.trials[0], Trial)


def test_methods_that_give_many_models_are_refused(model, finetuned):
    with pytest.raises(ValueError, match="emr gives a model for each task"):
        merged_models(model, finetuned, method="emr")


def test_a_method_with_statistics_of_data_can_be_searched(model, finetuned, tasks, tmp_path):
    fishers = [{n: torch.rand_like(v) for n, v in state.items()} for state in finetuned.values()]
    models = merged_models(model, finetuned, method="fisher", fishers=fishers)
    space = {"floor": [0.0, 1.0], "coefficient": [1.0]}
    found = taujp.search(tasks, space, models=models, out=tmp_path / "a.json")
    assert len(found.trials) == 2
    assert load_result(tmp_path / "a.json") == found
