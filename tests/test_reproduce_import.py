"""Encoders of earlier projects: found by name or by number, and refused where that is not sure."""

from __future__ import annotations

import copy

import pytest
import torch

from earlier_modules import ImageClassifier, ImageEncoder, linearised_state
from small_clip import small_clip
from taujp import cli
from taujp.checkpoint import CheckpointError, open_checkpoint, to_state_dict
from taujp.reproduce.importing import import_checkpoint
from taujp.train import encoder_state
from taujp.train.checkpoint import read_settings


@pytest.fixture(scope="module")
def theta0():
    return small_clip()


@pytest.fixture(scope="module")
def theta(theta0):
    """The same model with other weights."""
    moved = copy.deepcopy(theta0)
    torch.manual_seed(3)
    with torch.no_grad():
        for value in moved.parameters():
            value.add_(torch.randn_like(value))
    return moved


def imported(content, model, tmp_path, **options):
    source, out = tmp_path / "module.pt", tmp_path / "out.safetensors"
    torch.save(content, source)
    mode = import_checkpoint(source, model, out, **options)
    assert read_settings(out)["mode"] == mode
    return mode, to_state_dict(open_checkpoint(out))


def assert_encoder(state, model):
    expected = encoder_state(model)
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(state[name], value), name


@pytest.mark.parametrize("kind", [ImageEncoder, ImageClassifier])
def test_a_pickled_encoder_is_found_by_name(theta0, theta, tmp_path, kind):
    mode, state = imported(kind(theta), theta0, tmp_path)
    assert mode == "standard"
    assert_encoder(state, theta)


def test_a_state_dict_of_the_whole_model_is_found_too(theta0, theta, tmp_path):
    assert_encoder(imported(theta.state_dict(), theta0, tmp_path)[1], theta)


def test_without_the_text_tower_as_earlier_projects_save_it(theta0, theta, tmp_path):
    encoder = ImageEncoder(copy.deepcopy(theta))
    del encoder.model.transformer
    assert_encoder(imported(encoder, theta0, tmp_path)[1], theta)


def test_a_linearised_encoder_is_found_by_number(theta0, theta, tmp_path):
    mode, state = imported(linearised_state(theta0, theta), theta0, tmp_path)
    assert mode == "linear"
    assert_encoder(state, theta)


def test_numbers_alone_serve_where_only_one_place_has_the_shapes(theta0, theta, tmp_path):
    content = linearised_state(theta0, theta, with_theta0=False)
    assert_encoder(imported(content, theta0, tmp_path)[1], theta)


def test_another_theta0_is_refused(theta0, theta, tmp_path):
    with pytest.raises(CheckpointError, match="0 places with the same theta0"):
        imported(linearised_state(small_clip(seed=9), theta), theta0, tmp_path)


def test_two_places_of_the_same_shapes_are_refused_unless_theta0_tells(theta0, theta, tmp_path):
    once = linearised_state(theta0.visual, theta.visual)
    count = len(once) // 2
    twice = {}
    for kind in ("params", "params0"):
        for number in range(count):
            value = once[f"model.{kind}.{number}"]
            twice[f"model.{kind}.{number}"] = value + 1  # another model's
            twice[f"model.{kind}.{count + number}"] = value
    assert_encoder(imported(twice, theta0, tmp_path)[1], theta)
    unclear = {name: value for name, value in twice.items() if "params0" not in name}
    with pytest.raises(CheckpointError, match="at 2 places"):
        imported(unclear, theta0, tmp_path)


def test_two_encoders_need_a_prefix(theta0, theta, tmp_path):
    content = {"student": theta, "teacher": theta0}
    with pytest.raises(CheckpointError, match=r"student\.', 'teacher\..*--prefix"):
        imported(content, theta0, tmp_path)
    assert_encoder(imported(content, theta0, tmp_path, prefix="student.")[1], theta)


BROKEN = {
    "a weight is missing": (lambda s: s.pop("visual.proj"), "1 weights are missing"),
    "a weight too many": (lambda s: s.update({"visual.x": torch.ones(1)}), "1 are unknown"),
    "another shape": (lambda s: s.update({"visual.proj": torch.ones(2)}), "the model has"),
}


@pytest.mark.parametrize(("spoil", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_does_not_fit_is_refused(theta0, theta, tmp_path, spoil, says):
    content = dict(theta.state_dict())
    spoil(content)
    with pytest.raises(CheckpointError, match=says):
        imported(content, theta0, tmp_path)


def test_numbers_with_a_gap_are_refused(theta0, theta, tmp_path):
    content = linearised_state(theta0, theta)
    del content["model.params.4"]
    with pytest.raises(CheckpointError, match="gaps"):
        imported(content, theta0, tmp_path)


def test_the_command_imports_into_a_checkpoint_that_evaluates(tmp_path, capsys):
    from taujp.data import load_demo_model

    model = load_demo_model().model
    torch.save(ImageEncoder(model), tmp_path / "module.pt")
    out = tmp_path / "out.safetensors"
    assert cli.main(["import", str(tmp_path / "module.pt"), "--model", "demo", "-o", str(out)]) == 0
    assert "mode standard" in capsys.readouterr().out
    assert read_settings(out)["configuration"]["imported"]["file"] == "module.pt"
    assert_encoder(to_state_dict(open_checkpoint(out)), model)
    assert cli.main(["import", str(out), "--model", "demo", "-o", str(out)]) == 1
    assert "expected a file of torch.save" in capsys.readouterr().err
