"""What negation is compared with: random vectors of the same norm, and gradient ascent's."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from taujp.checkpoint import CheckpointError
from taujp.evaluate import MergedTangents, MergedWeights, merged_models, negation
from taujp.evaluate.baseline_vectors import opposite_vector, random_vector
from tiny_network import tiny_finetunes, tiny_network, tiny_tasks


@pytest.fixture
def network():
    return tiny_network()


@pytest.fixture
def theta(network):
    return tiny_finetunes(network)["a"]


def test_a_random_vector_has_the_norm_of_every_parameters_own(network, theta):
    theta["0.bias"] = network.state_dict()["0.bias"].clone()  # not trained
    found = random_vector(network, theta)
    assert found.keys() == theta.keys()
    for name, theta0 in network.state_dict().items():
        tau, r = (state[name].double() - theta0.double() for state in (theta, found))
        assert r.norm().item() == pytest.approx(tau.norm().item(), rel=1e-6)
        assert name == "0.bias" or abs(torch.cosine_similarity(tau.ravel(), r.ravel(), 0)) < 0.9
    assert torch.equal(found["0.bias"], theta["0.bias"])


def test_a_seed_and_a_name_give_the_same_vector(network, theta):
    found = random_vector(network, theta, seed=1)
    backwards = dict(reversed(theta.items()))
    again = random_vector(network, backwards, seed=1)
    other = random_vector(network, theta, seed=2)
    for name, value in found.items():
        assert torch.equal(value, again[name])
        assert not torch.equal(value, other[name])


def test_random_vectors_are_normal(network):
    wide = {"w": torch.zeros(200, 200)}
    noise = random_vector(wide, {"w": torch.ones(200, 200)})["w"]
    assert noise.mean().abs() < 0.02
    assert noise.std().item() == pytest.approx(1.0, abs=0.02)
    assert (noise.abs() < 1).double().mean().item() == pytest.approx(0.6827, abs=0.02)


def test_whole_numbers_and_half_precision_stay_what_they_are():
    base = {"w": torch.zeros(64), "count": torch.tensor(3)}
    theta = {"w": torch.full((64,), 0.5, dtype=torch.float16), "count": torch.tensor(7)}
    found = random_vector(base, theta)
    assert found["count"] == 7
    assert found["w"].dtype == torch.float16
    assert found["w"].double().norm().item() == pytest.approx(4.0, rel=1e-3)


@pytest.mark.parametrize("mode", ["standard", "linear"])
def test_a_written_vector_is_evaluated_as_the_model_it_stands_for(network, theta, tmp_path, mode):
    told = {"mode": mode, "recipe": {"steps": 5}}
    trained, out = tmp_path / "a.safetensors", tmp_path / "random.safetensors"
    save_file(theta, trained, metadata={"taujp": json.dumps(told)})
    state = random_vector(network, trained, seed=4, out=out)
    with safe_open(out, "pt") as file:
        written = json.loads(file.metadata()["taujp"])
    assert written == {**told, "vector": "random", "vector_seed": 4}
    for name, value in load_file(out).items():
        assert torch.equal(value, state[name])
    models = merged_models(network, {"a": out})
    assert isinstance(models, MergedWeights if mode == "standard" else MergedTangents)
    tasks = tiny_tasks()
    result = negation(models, tasks[0], tasks[1], keep=0.0, vector="random")
    assert (result.vector, result.mode) == ("random", mode)


def test_subtracting_the_opposite_of_ascent_is_ascent(network, theta):
    models = MergedWeights(network, {"a": opposite_vector(network, theta)})
    ascended = MergedWeights(network, {"a": theta})
    task = tiny_tasks()[0]
    (found,) = models.outputs([{"a": -1.0}], task, "test")
    expected = ascended.own("a", task, "test")
    torch.testing.assert_close(found.values, expected.values, atol=1e-5, rtol=1e-5)
    result = negation(models, task, tiny_tasks()[1], keep=0.0, vector="gradient ascent")
    assert result.one_shot.target.accuracy == ascended.own_scores("a", task, "test").accuracy


def test_the_opposite_of_the_opposite_is_the_vector(network, theta):
    twice = opposite_vector(network, opposite_vector(network, theta))
    for name, value in theta.items():
        torch.testing.assert_close(twice[name], value)


def test_another_models_weights_are_refused(network, theta):
    with pytest.raises(CheckpointError, match=r"'2.weight' \(9, 8\).*1 differ"):
        random_vector(network, {**theta, "2.weight": torch.zeros(9, 8)})
    with pytest.raises(CheckpointError, match="lacks 'extra'"):
        opposite_vector(network, {**theta, "extra": torch.zeros(1)})
