"""Linearised models: one pass over the data gives what evaluating every sum directly gives."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import Dataset

from small_clip import finetuned_states, small_clip, small_tasks
from taujp.data import Splits
from taujp.evaluate import (
    MergedTangents,
    MergedWeights,
    addition,
    merged_models,
    negation,
    single_task,
)
from taujp.evaluate.outputs import predicted
from taujp.train import Recipe

QUICK = Recipe(steps=30, batch_size=32, learning_rate=3e-3, weight_decay=0.0, warmup_steps=3)
GRID = (0.0, 0.3, 0.7, 1.0)


class Counted(Dataset):
    """A data set that counts how often its images are read."""

    def __init__(self, dataset):
        self.dataset, self.reads = dataset, 0

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        self.reads += 1
        return self.dataset[index]


@pytest.fixture(scope="module")
def model():
    return small_clip()


@pytest.fixture(scope="module")
def tasks(model):
    return [
        replace(
            task,
            splits=Splits(
                task.splits.train, Counted(task.splits.validation), Counted(task.splits.test)
            ),
        )
        for task in small_tasks(model)
    ]


@pytest.fixture(scope="module")
def finetuned(model, tasks):
    return finetuned_states(model, tasks, QUICK)


@pytest.fixture(scope="module")
def models(model, finetuned):
    return MergedTangents(model, finetuned)


@pytest.fixture(scope="module")
def single(models, tasks):
    return single_task(models, tasks).tasks


@pytest.fixture(scope="module")
def added(models, tasks):
    return addition(models, tasks, coefficients=GRID)


def accuracies(point):
    """Each task's accuracy of an addition's point."""
    return {name: one.accuracy for name, one in point.scores.items()}


def direct(model, finetuned, row, task, split):
    """Predictions of f(x; theta0) + J(x; theta0) sum_t c_t tau_t, by plain torch.func."""
    theta0 = {name: value.detach() for name, value in model.visual.named_parameters()}
    tau = {
        name: sum(c * (finetuned[t]["visual." + name] - value) for t, c in row.items())
        for name, value in theta0.items()
    }
    images, labels = getattr(task.splits, split).dataset.tensors
    # Training mode keeps attention off its fused inference path, which has no forward mode.
    plain = copy.deepcopy(model.visual).train()
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        f0, df = jvp(lambda p: functional_call(plain, p, (images,)), (theta0,), (tau,))
        return task.head(f0 + df).argmax(-1), labels


def share(found_and_true):
    found, true = found_and_true
    return (found == true).double().mean().item()


@pytest.mark.parametrize("row", [(1.0, 0.0), (0.0, 1.0), (0.7, 0.7), (1.0, -0.4)])
def test_cached_predictions_are_those_of_the_linearised_model(model, finetuned, models, tasks, row):
    coefficients = dict(zip(finetuned, row, strict=True))
    for task in tasks:
        for split in ("validation", "test"):
            expected, _ = direct(model, finetuned, coefficients, task, split)
            found = next(models.outputs([coefficients], task, split, keep=predicted)).values
            assert torch.equal(found, expected)


def test_every_point_of_the_sweep_is_the_linearised_sum(model, finetuned, tasks, added):
    assert added.mode == "post-hoc"
    for point in added.validation:
        row = dict.fromkeys(finetuned, point.coefficient)
        assert accuracies(point) == {
            task.name: share(direct(model, finetuned, row, task, "validation")) for task in tasks
        }


def test_single_task_is_each_vector_alone(model, finetuned, tasks, single):
    for task, one in zip(tasks, single, strict=True):
        assert one.finetuned_test.accuracy == share(
            direct(model, finetuned, {task.name: 1.0}, task, "test")
        )
        assert one.zero_shot_test.accuracy == share(
            direct(model, finetuned, {task.name: 0.0}, task, "test")
        )


def test_all_sums_take_one_pass_over_the_data(model, finetuned, tasks):
    for task in tasks:
        task.splits.validation.reads = task.splits.test.reads = 0
    models = MergedTangents(model, finetuned)
    every = tuple(step / 20 for step in range(21))
    addition(models, tasks, coefficients=every)
    negation(models, *tasks, coefficients=every, keep=0.0)
    for task in tasks:
        for split in (task.splits.validation, task.splits.test):
            assert split.reads == len(split)


def test_negation_subtracts_the_linearised_vector(model, finetuned, models, tasks):
    target, control = tasks
    result = negation(models, target, control, coefficients=GRID, keep=0.0)
    assert result.mode == "post-hoc"
    for point in result.validation:
        row = {target.name: -point.coefficient}
        assert point.target.accuracy == share(direct(model, finetuned, row, target, "validation"))
        assert point.control.accuracy == share(direct(model, finetuned, row, control, "validation"))
    assert result.chosen.target.accuracy <= result.before.target.accuracy


def files(folder, finetuned, modes):
    """The states as checkpoints that say how they were fine-tuned."""
    paths = {}
    for (name, state), mode in zip(finetuned.items(), modes, strict=True):
        paths[name] = folder / f"{name}.safetensors"
        settings = json.dumps({"mode": mode})
        save_file(state, paths[name], metadata={"format": "pt", "taujp": settings})
    return paths


@pytest.mark.parametrize("mode", ["linear", "attention", "lora"])
def test_a_checkpoint_says_that_it_is_linearised(model, finetuned, tasks, added, tmp_path, mode):
    paths = files(tmp_path, finetuned, (mode, mode))
    result = addition(merged_models(model, paths), tasks, coefficients=GRID)
    assert result == replace(added, mode=mode)


def test_an_ordinary_checkpoint_is_merged_in_weight_space(model, finetuned, tmp_path):
    paths = files(tmp_path, finetuned, ("standard", "standard"))
    assert isinstance(merged_models(model, paths), MergedWeights)
    assert isinstance(merged_models(model, finetuned), MergedWeights)


def test_modes_are_not_mixed(model, finetuned, tmp_path):
    paths = files(tmp_path, finetuned, ("standard", "linear"))
    with pytest.raises(ValueError, match=r"'colour': 'standard', 'side': 'linear'.*each kind"):
        merged_models(model, paths)


def test_linearised_models_are_only_added(model, finetuned, tmp_path):
    paths = files(tmp_path, finetuned, ("linear", "linear"))
    with pytest.raises(ValueError, match=r"method 'ties'"):
        merged_models(model, paths, method="ties", density=0.2)


def test_checkpoints_and_tasks_must_have_the_same_names(models, tasks):
    with pytest.raises(ValueError, match=r"\['colour', 'side'\].*\['side'\]"):
        addition(models, tasks[1:])


def test_a_vector_that_is_not_there_is_an_error(model, models, finetuned, tasks):
    for given in (models, MergedWeights(model, finetuned)):
        with pytest.raises(ValueError, match=r"\['sound'\].*\['colour', 'side'\]"):
            given.scores([{"sound": 1.0}], tasks[0], "test")


def test_other_data_under_the_same_name_are_looked_at(models, tasks, added):
    splits = tasks[0].splits
    swapped = replace(tasks[0], splits=Splits(splits.train, splits.test, splits.validation))
    other = addition(models, [swapped, tasks[1]], coefficients=GRID)
    row = dict.fromkeys(models.names, 0.7)
    (expected,) = models.scores([row], tasks[0], "test")
    assert other.validation[2].scores["colour"].accuracy == expected.accuracy
    assert other.validation != added.validation
