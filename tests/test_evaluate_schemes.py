"""Coefficients: one for all, one a task, one a layer; merges by any method; data loaded once."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

import taujp
from small_clip import finetuned_states, small_clip, small_tasks
from taujp.data import Splits
from taujp.evaluate import MergedTangents, addition, merged_models
from taujp.train import Recipe, encoder_state, encoder_weights
from test_evaluate_linear import Counted

QUICK = Recipe(steps=30, batch_size=32, learning_rate=3e-3, weight_decay=0.0, warmup_steps=3)
GRID = (0.0, 0.3, 0.6, 1.0)


@pytest.fixture(scope="module")
def model():
    return small_clip()


@pytest.fixture(scope="module")
def tasks(model):
    return small_tasks(model)


@pytest.fixture(scope="module")
def finetuned(model, tasks):
    return finetuned_states(model, tasks, QUICK)


@pytest.fixture(params=[merged_models, MergedTangents], ids=["weights", "tangents"])
def models(request, model, finetuned):
    return request.param(model, finetuned)


@pytest.mark.parametrize("scheme", ["task", "layer"])
def test_more_coefficients_are_never_worse_on_validation(models, tasks, scheme):
    common = addition(models, tasks, coefficients=GRID)
    finer = addition(models, tasks, coefficients=GRID, scheme=scheme)
    best = max(point.normalised for point in finer.validation)
    assert finer.scheme == scheme
    assert finer.validation[: len(GRID)] == common.validation
    assert best >= max(point.normalised for point in common.validation)
    parts = len(tasks) if scheme == "task" else len(models.layers)
    assert len(finer.validation) == len(GRID) * (1 + parts)


def test_coefficients_by_layer_that_agree_are_one_coefficient(models, tasks):
    by_layer = {name: dict.fromkeys(models.layers, 0.6) for name in models.names}
    common = dict.fromkeys(models.names, 0.6)
    for task in tasks:
        one, other = models.outputs([by_layer, common], task, "test")
        assert torch.allclose(one.values, other.values, rtol=1e-4, atol=1e-4)


def test_a_layer_moves_only_its_own_weights(model, finetuned, tasks):
    models = merged_models(model, finetuned)
    layer = models.layers[-1]
    (found,) = models.outputs([{"side": {layer: 1.0}}], tasks[1], "test")
    state = encoder_state(model)
    state.update(
        {
            name: value
            for name, value in finetuned["side"].items()
            if name.removeprefix("visual.").startswith(layer)
        }
    )
    with encoder_weights(copy.deepcopy(model), state) as edited, torch.no_grad():
        expected = tasks[1].head(edited.encode_image(tasks[1].splits.test.tensors[0]))
    assert torch.allclose(found.values, expected, rtol=1e-4, atol=1e-4)


def test_the_parts_of_all_layers_add_up_to_the_vector(model, finetuned, tasks):
    models = MergedTangents(model, finetuned)
    layers = models.features(tasks[0], "test", layered=True)
    whole = models.features(tasks[0], "test")
    for index, name in enumerate(whole.tasks):
        parts = [
            tangent
            for (task, _), tangent in zip(layers.tasks, layers.tangents, strict=True)
            if task == name
        ]
        assert torch.allclose(sum(parts), whole.tangents[index], rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_not_there_is_an_error(models, tasks):
    with pytest.raises(ValueError, match="nowhere"):
        models.scores([{"side": {"nowhere": 1.0}}], tasks[0], "test")


def test_an_unknown_scheme_is_an_error(models, tasks):
    with pytest.raises(ValueError, match="expected 'common', 'task' or 'layer'"):
        addition(models, tasks, scheme="image")


def test_any_merge_method_is_swept(model, finetuned, tasks):
    models = merged_models(model, finetuned, method="ties", density=0.5)
    added = addition(models, tasks, coefficients=GRID)
    assert added.method == "ties"
    state = taujp.merge_many(
        list(finetuned.values()), [1.0, 1.0], base=encoder_state(model), method="ties", density=0.5
    )
    for task in tasks:
        with encoder_weights(model, state), torch.no_grad():
            logits = task.head(model.encode_image(task.splits.test.tensors[0]))
        right = (logits.argmax(-1) == task.splits.test.tensors[1]).double().mean().item()
        assert added.one_shot.scores[task.name].accuracy == pytest.approx(right)


def test_a_coefficient_is_a_factor_of_what_a_normalising_method_makes(model, finetuned, tasks):
    """Equal coefficients cancel from TIES' mean; the sweep of one for all must not."""
    models = merged_models(model, finetuned, method="ties", density=0.5)
    state = taujp.merge_many(
        list(finetuned.values()),
        [1.0, 1.0],
        base=encoder_state(model),
        method="ties",
        density=0.5,
        lambda_=0.3,
    )
    task = tasks[0]
    (found,) = models.outputs([dict.fromkeys(finetuned, 0.3)], task, "test")
    with encoder_weights(model, state), torch.no_grad():
        expected = task.head(model.encode_image(task.splits.test.tensors[0]))
    assert torch.allclose(found.values, expected, rtol=1e-4, atol=1e-4)


def test_a_vector_with_coefficient_0_has_no_vote(model, finetuned, tasks):
    rows = [{"colour": 0.7, "side": 0.0}, {"colour": 0.7}]
    models = merged_models(model, finetuned, method="ties", density=0.5, election="unweighted")
    alone = merged_models(
        model, {"colour": finetuned["colour"]}, method="ties", density=0.5, election="unweighted"
    )
    (expected,) = alone.outputs(rows[1:], tasks[0], "test")
    for found in models.outputs(rows, tasks[0], "test"):
        assert torch.equal(found.values, expected.values)


def test_an_unknown_method_is_refused_before_any_work(model, finetuned):
    with pytest.raises(ValueError, match="'tie'; expected one of"):
        merged_models(model, finetuned, method="tie")


def test_a_sweep_in_weight_space_reads_every_image_once(model, finetuned, tasks):
    counted = [
        replace(
            task,
            splits=Splits(
                task.splits.train, Counted(task.splits.validation), Counted(task.splits.test)
            ),
        )
        for task in tasks
    ]
    models = merged_models(model, finetuned)
    rows = [dict.fromkeys(finetuned, value) for value in GRID]
    models.scores(rows, counted[0], "validation")
    models.scores(rows[1:], counted[0], "validation")
    assert counted[0].splits.validation.reads == len(counted[0].splits.validation)


def test_the_live_edit_predicts_what_reloaded_merges_predict(model, finetuned, tasks):
    models = merged_models(model, finetuned)
    rows = [dict.fromkeys(finetuned, step / 20) for step in range(21)]
    for task in tasks:
        images = task.splits.test.tensors[0]
        for row, found in zip(rows, models.outputs(rows, task, "test"), strict=True):
            state = taujp.merge_many(
                list(finetuned.values()), list(row.values()), base=encoder_state(model)
            )
            with encoder_weights(model, state), torch.no_grad():
                expected = task.head(model.encode_image(images))
            assert torch.equal(found.values.argmax(-1), expected.argmax(-1))
            assert torch.allclose(found.values, expected, rtol=1e-5, atol=1e-5)
