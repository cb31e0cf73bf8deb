"""Joint training of all tasks: its loss by plain torch, its batches, and what it refuses."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch.nn.functional import cross_entropy

from small_clip import colour_images, head_of, side_images, small_clip, small_tasks
from taujp.tangent import linearize
from taujp.train import (
    Recipe,
    encoder_weights,
    endless_batches,
    finetune,
    finetune_jointly,
    make_fabric,
)
from taujp.train.joint import JointClassification

RECIPE = Recipe(steps=6, batch_size=24, learning_rate=3e-3, warmup_steps=1, weight_decay=0.0)


@pytest.fixture(scope="module")
def model():
    return small_clip()


@pytest.fixture(scope="module")
def tasks(model):
    return {
        "colour": (head_of(model, ("red", "green", "blue")), colour_images(60, 0)),
        "side": (head_of(model, ("left", "right")), side_images(70, 1)),
    }


def features_of(model, mode, images):
    """A mode's features at theta0."""
    encoder = copy.deepcopy(model.visual).double()
    return encoder(images) if mode == "standard" else linearize(encoder)(images)


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_the_joint_loss_is_the_mean_of_the_tasks_own(model, tasks, mode, tmp_path):
    """Losses of the first step: every task's own head, on its own next batch."""
    log = tmp_path / "joint.jsonl"
    fabric = make_fabric(precision="fp64")
    finetune_jointly(model, tasks, RECIPE, mode=mode, log=log, fabric=fabric, progress=False)
    first = json.loads(log.read_text().splitlines()[0])
    expected = {}
    for index, (name, (head, train)) in enumerate(tasks.items()):
        images, labels = next(endless_batches(train, 12, seed=index))
        features = features_of(model, mode, images.double())
        expected[name] = cross_entropy(copy.deepcopy(head).double()(features), labels).item()
    for name, value in expected.items():
        assert first[f"cross_entropy_{name}"] == pytest.approx(value, rel=1e-9)
    assert first["loss"] == pytest.approx(sum(expected.values()) / 2, rel=1e-9)


def test_one_joint_task_is_fine_tuning(model, tasks):
    head, train = tasks["colour"]
    joint = finetune_jointly(model, {"colour": (head, train)}, RECIPE, progress=False)
    alone = finetune(model, head, train, RECIPE, progress=False)
    assert joint.losses == alone.losses
    assert all(torch.equal(joint.state[name], alone.state[name]) for name in alone.state)


def test_one_model_learns_all_tasks(model):
    prepared = small_tasks(model)
    tasks = {task.name: (task.head, task.splits.train) for task in prepared}
    recipe = Recipe(steps=60, batch_size=48, learning_rate=3e-3, warmup_steps=4)
    done = finetune_jointly(model, tasks, recipe, progress=False)
    for task in prepared:
        before = accuracy(model, task)
        with encoder_weights(model, done.state):
            assert accuracy(model, task) > before + 0.25, task.name


def accuracy(model, task) -> float:
    images, labels = task.splits.test.tensors
    with torch.no_grad():
        return (task.head(model.encode_image(images)).argmax(-1) == labels).double().mean().item()


def test_every_part_of_a_batch_has_all_tasks_in_equal_shares(model, tasks):
    objective = JointClassification(None, tasks, Recipe(batch_size=12, accumulate=3))
    objective.open(start=0, part=0, parts=1)
    batch = objective.batch(0)
    own = {
        name: next(endless_batches(train, 6, seed=index))
        for index, (name, (_, train)) in enumerate(tasks.items())
    }
    for index, (images, labels) in enumerate(own.values()):
        assert torch.equal(batch.images[index::2], images)
        assert torch.equal(batch.labels[index::2], labels)
    pieces = list(batch.pieces(3))
    assert all(len(piece.labels) == 4 for piece in pieces)
    assert torch.equal(torch.cat([piece.images[1::2] for piece in pieces]), own["side"][0])


def test_parts_of_a_batch_give_the_gradient_of_the_whole(model, tasks):
    fabric = {"fabric": make_fabric(precision="fp64"), "progress": False}
    whole = finetune_jointly(model, tasks, RECIPE, **fabric)
    parts = finetune_jointly(model, tasks, Recipe(**{**vars(RECIPE), "accumulate": 3}), **fabric)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-9)
    for name, value in whole.state.items():
        torch.testing.assert_close(parts.state[name], value, rtol=1e-7, atol=1e-9)


def test_two_ranks_share_every_tasks_rows(model, tasks):
    """The rows of both parts are those of the whole, task by task."""
    batches = []
    for part, parts in ((0, 1), (0, 2), (1, 2)):
        objective = JointClassification(None, tasks, Recipe(batch_size=24))
        objective.open(start=2, part=part, parts=parts)
        batches.append(objective.batch(2))
    whole, first, second = batches
    for task in (0, 1):
        rows = whole.images[task::2]
        assert torch.equal(rows[0::2], first.images[task::2])
        assert torch.equal(rows[1::2], second.images[task::2])


def test_joint_training_refuses_what_it_cannot_share_out(model, tasks):
    with pytest.raises(ValueError, match=r"batch_size is 25 .* expected a multiple of 2"):
        finetune_jointly(model, tasks, Recipe(batch_size=25))
    with pytest.raises(ValueError, match=r"accumulate 4; expected a multiple of 8"):
        finetune_jointly(model, tasks, Recipe(batch_size=12, accumulate=4))
    with pytest.raises(ValueError, match=r"\{'colour': 60\}; expected at least 64"):
        finetune_jointly(model, tasks, Recipe(batch_size=128))
    with pytest.raises(ValueError, match="tasks is empty"):
        finetune_jointly(model, {})


def test_images_of_different_sizes_are_an_error(model, tasks):
    small = torch.utils.data.TensorDataset(torch.zeros(20, 3, 4, 4), torch.zeros(20).long())
    mixed = {**tasks, "small": (tasks["side"][0], small)}
    with pytest.raises(ValueError, match=r"'small': \(3, 4, 4\)\}; expected one and the same"):
        finetune_jointly(model, mixed, Recipe(batch_size=12, steps=1), progress=False)
