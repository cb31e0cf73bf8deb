"""Protocols on a tiny model: coefficients come from validation, figures from test."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.data import TensorDataset

from small_clip import finetuned_states, small_clip, small_tasks
from taujp.data import Splits
from taujp.evaluate import (
    Negation,
    NegationPoint,
    Scores,
    Unqualified,
    accuracy,
    addition,
    load_result,
    merged_models,
    negation,
    predictions,
    save_result,
    single_task,
)
from taujp.evaluate.negation import _choose
from taujp.report import addition_table, negation_table, plot_addition, plot_negation
from taujp.train import Recipe, encoder_state, encoder_weights

QUICK = Recipe(steps=30, batch_size=32, learning_rate=3e-3, weight_decay=0.0, warmup_steps=3)
GRID = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def model():
    return small_clip()


@pytest.fixture(scope="module")
def tasks(model):
    return small_tasks(model)


@pytest.fixture(scope="module")
def finetuned(model, tasks):
    return finetuned_states(model, tasks, QUICK)


@pytest.fixture(scope="module")
def models(model, finetuned):
    return merged_models(model, finetuned)


@pytest.fixture(scope="module")
def single(models, tasks):
    return single_task(models, tasks).tasks


@pytest.fixture(scope="module")
def added(models, tasks):
    return addition(models, tasks, coefficients=GRID)


@pytest.fixture(scope="module")
def negated(models, tasks):
    return negation(models, *tasks, coefficients=GRID, keep=0.5)


def accuracies(scores):
    """Each task's accuracy alone."""
    return {name: one.accuracy for name, one in scores.items()}


def test_accuracy_is_the_share_of_right_predictions(model, tasks):
    head, test = tasks[0].head, tasks[0].splits.test
    images, labels = test.tensors
    with torch.no_grad():
        expected = (head(model.encode_image(images)).argmax(-1) == labels).double().mean().item()
    assert accuracy(model, head, test, batch_size=7) == expected
    assert len(predictions(model, head, test)[0]) == len(labels)


def test_accuracy_of_nothing_is_an_error(model, tasks):
    empty = TensorDataset(torch.zeros(0, 3, 8, 8), torch.zeros(0).long())
    with pytest.raises(ValueError, match="empty"):
        accuracy(model, tasks[0].head, empty)


def test_single_task_finds_what_finetuning_gained(model, tasks, single):
    for task, one in zip(tasks, single, strict=True):
        assert one.task == task.name
        assert one.zero_shot_test.accuracy == accuracy(model, task.head, task.splits.test)
        assert one.finetuned_test.accuracy > max(0.8, one.zero_shot_test.accuracy)


def test_coefficient_zero_is_the_pretrained_model(added, single):
    zero = added.validation[0]
    assert zero.coefficient == 0
    assert zero.scores == {one.task: one.zero_shot_validation for one in single}


def test_every_point_is_the_model_merged_by_hand(model, finetuned, tasks, added):
    base = encoder_state(model)
    for point in added.validation:
        state = {
            name: value + point.coefficient * sum(own[name] - value for own in finetuned.values())
            for name, value in base.items()
        }
        with encoder_weights(model, state):
            for task in tasks:
                expected = accuracy(model, task.head, task.splits.validation)
                # Another order of summation may move an image that sits on the border.
                assert point.scores[task.name].accuracy == pytest.approx(expected, abs=0.05)


def test_one_task_at_coefficient_one_is_its_finetuned_model(model, finetuned, tasks):
    models = merged_models(model, {"side": finetuned["side"]})
    result = addition(models, tasks[1:], coefficients=(1.0,))
    assert result.one_shot.normalised == pytest.approx(1.0, abs=0.05)


def test_the_coefficient_is_chosen_without_the_test_data(models, tasks, added):
    def shuffled(task):
        images, labels = task.splits.test.tensors
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
        wrong = TensorDataset(images, labels[order])
        return replace(task, splits=Splits(task.splits.train, task.splits.validation, wrong))

    other = addition(models, [shuffled(task) for task in tasks], coefficients=GRID)
    assert other.validation == added.validation
    assert other.chosen.coefficient == added.chosen.coefficient
    assert accuracies(other.chosen.scores) != accuracies(added.chosen.scores)


def test_the_chosen_is_the_best_normalised_on_validation(added):
    best = max(point.normalised for point in added.validation)
    chosen = next(p for p in added.validation if p.coefficient == added.chosen.coefficient)
    assert chosen.normalised == best
    assert added.one_shot.coefficient == 1


def test_few_images_at_once_change_nothing(model, finetuned, tasks, added):
    few = merged_models(model, finetuned, images_at_once=16)
    assert addition(few, tasks, coefficients=GRID) == added


def test_the_model_is_itself_again_after_every_protocol(model, added, negated):
    for name, value in small_clip().state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_checkpoints_and_tasks_must_have_the_same_names(model, finetuned, tasks):
    with pytest.raises(ValueError, match=r"\['side'\].*\['colour', 'side'\]"):
        addition(merged_models(model, {"side": finetuned["side"]}), tasks)


def test_negation_forgets_the_target(negated, single):
    assert negated.validation[0].target == single[0].zero_shot_validation
    assert negated.one_shot.coefficient == 1
    assert isinstance(negated.chosen, NegationPoint)
    assert negated.chosen.coefficient > 0
    assert negated.chosen.target.accuracy <= negated.before.target.accuracy


def test_negation_that_keeps_nothing_is_a_typed_failure(models, tasks, tmp_path):
    result = negation(models, *tasks, coefficients=GRID, keep=2.0)
    assert isinstance(result.chosen, Unqualified)
    assert "no coefficient" in negation_table(result)
    assert load_result(save_result(result, tmp_path / "r.json")) == result
    assert plot_negation(result, tmp_path / "r.png").stat().st_size > 1000


def test_the_two_rules_of_negation():
    figures = ((0.0, 0.5, 0.9), (0.4, 0.1, 0.8), (0.6, 0.2, 0.8), (0.8, 0.0, 0.1))
    points = [
        NegationPoint(coefficient, Scores(target, 10), Scores(control, 10))
        for coefficient, target, control in figures
    ]
    assert _choose(points, 0.7, "largest") == points[2]
    assert _choose(points, 0.7, "least_target") == points[1]
    assert _choose(points, 0.85, "largest") == Unqualified(0.85, points[1])


@pytest.mark.parametrize("wrong", [{"coefficients": (0.0,)}, {"rule": "best"}])
def test_negation_refuses_what_it_cannot_do(models, tasks, wrong):
    with pytest.raises(ValueError, match="expected"):
        negation(models, *tasks, **wrong)


def test_results_come_back_from_disk(added, negated, tmp_path):
    for result in (added, negated):
        assert load_result(save_result(result, tmp_path / "result.json")) == result


def test_tables_hold_every_task_and_coefficient(added, negated):
    table = addition_table(added)
    for text in ("colour", "side", "normalised", "zero-shot", "0.5"):
        assert text in table
    assert isinstance(negated, Negation)
    assert "colour (forget)" in negation_table(negated)


def test_plots_are_pictures(added, negated, tmp_path):
    for path in (
        plot_addition(added, tmp_path / "a.png"),
        plot_negation(negated, tmp_path / "n.png"),
    ):
        assert path.read_bytes().startswith(b"\x89PNG")
