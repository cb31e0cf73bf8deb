"""Fine-tuning: it learns, repeats, leaves the model alone, and writes what it says."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional
from torch.utils.data import TensorDataset

from small_clip import colour_images, head_of, small_clip, small_tasks, small_tokenizer
from taujp.evaluate import accuracy
from taujp.train import (
    Recipe,
    encoder_state,
    encoder_weights,
    finetune,
    learning_rate_factor,
    zero_shot_head,
)

QUICK = Recipe(steps=30, batch_size=32, learning_rate=3e-3, weight_decay=0.0, warmup_steps=3)


@pytest.fixture(scope="module")
def model():
    return small_clip()


def test_head_of_one_template_is_the_normalised_text(model):
    tokenizer = small_tokenizer()
    head = zero_shot_head(model, tokenizer, ("red", "blue"), ("{}",))
    with torch.no_grad():
        texts = functional.normalize(model.encode_text(tokenizer(["red", "blue"])), dim=-1)
        torch.testing.assert_close(head.weight, texts * model.logit_scale.exp())


def test_head_averages_templates_and_normalises_again(model):
    tokenizer = small_tokenizer()
    head = zero_shot_head(model, tokenizer, ("red",), ("{}", "left {}"))
    with torch.no_grad():
        texts = functional.normalize(model.encode_text(tokenizer(["red", "left red"])), dim=-1)
        expected = functional.normalize(texts.mean(0), dim=-1) * model.logit_scale.exp()
    torch.testing.assert_close(head.weight[0], expected)


def test_head_does_not_depend_on_the_features_length(model):
    head = head_of(model, ("red", "blue"))
    features = torch.randn(5, 16)
    torch.testing.assert_close(head(features), head(7 * features))


def test_finetuning_learns_and_leaves_the_model_as_it_was(model):
    task = small_tasks(model)[0]
    before = encoder_state(model)
    tuned = finetune(model, task.head, task.splits.train, QUICK, progress=False)
    assert all(torch.equal(value, before[name]) for name, value in encoder_state(model).items())
    with encoder_weights(model, tuned.state):
        assert accuracy(model, task.head, task.splits.test) > 0.9
    assert all(torch.equal(value, before[name]) for name, value in encoder_state(model).items())


def test_the_same_seed_gives_the_same_weights_and_another_does_not(model):
    head, train = head_of(model, ("red", "green", "blue")), colour_images(60, 0)
    recipes = [Recipe(steps=3, batch_size=16, seed=seed) for seed in (0, 0, 1)]
    states = [finetune(model, head, train, recipe, progress=False).state for recipe in recipes]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_finetuning_leaves_the_callers_random_numbers_alone(model):
    head = head_of(model, ("red", "green", "blue"))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    finetune(model, head, colour_images(30, 0), Recipe(steps=1), progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_the_file_holds_the_encoder_and_its_recipe(model, tmp_path):
    head, out = head_of(model, ("red", "green", "blue")), tmp_path / "new" / "colour.safetensors"
    recipe = Recipe(steps=2, batch_size=16)
    tuned = finetune(
        model,
        head,
        colour_images(30, 0),
        recipe,
        out=out,
        log=tmp_path / "log.jsonl",
        configuration={"task": "colour"},
        progress=False,
    )
    assert tuned.path == out
    stored = load_file(out)
    assert stored.keys() == encoder_state(model).keys()
    assert all(torch.equal(stored[name], tuned.state[name]) for name in stored)
    with safe_open(out, "pt") as file:
        settings = json.loads(file.metadata()["taujp"])
    assert settings["recipe"]["steps"] == 2
    assert settings["configuration"] == {"task": "colour"}
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == list(tuned.losses)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_loss_that_is_not_finite_stops_and_writes_nothing(model, tmp_path):
    images = TensorDataset(torch.full((4, 3, 8, 8), float("nan")), torch.zeros(4).long())
    head = head_of(model, ("red", "green"))
    with pytest.raises(ValueError, match="loss is nan at step 0"):
        finetune(model, head, images, Recipe(steps=2), out=tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"learning_rate": float("nan")}, {"seed": -1}])
def test_a_senseless_recipe_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_learning_rate_warms_up_to_one_and_ends_at_zero():
    factors = [learning_rate_factor(step, steps=100, warmup_steps=10) for step in range(101)]
    assert factors[9] == factors[10] == 1
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0)


def test_weights_of_another_model_are_refused(model):
    state = encoder_state(model)
    state["visual.extra"] = state.pop("visual.proj")
    with (
        pytest.raises(ValueError, match=r"visual\.proj.*visual\.extra"),
        encoder_weights(model, state),
    ):
        pass


def test_the_models_own_weights_return_after_an_error(model):
    before = encoder_state(model)
    zeros = {name: torch.zeros_like(value) for name, value in before.items()}
    with pytest.raises(RuntimeError), encoder_weights(model, zeros):
        raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in encoder_state(model).items())
