"""Gradient ascent and joint training: their losses by plain torch, resuming, and their command."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

import taujp.train.fit
from small_clip import colour_images, head_of, side_images, small_clip
from taujp.cli import main
from taujp.train import (
    Recipe,
    ascend,
    encoder_weights,
    finetune,
    finetune_jointly,
    make_fabric,
    read_settings,
)

RECIPE = Recipe(steps=6, batch_size=24, learning_rate=3e-3, warmup_steps=1, weight_decay=0.0)
LONGER = Recipe(steps=40, batch_size=24, learning_rate=3e-3, warmup_steps=4)
MODES = ("standard", "linear")
COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def model():
    return small_clip()


@pytest.fixture(scope="module")
def tasks(model):
    return {
        "colour": (head_of(model, COLOURS), colour_images(60, 0)),
        "side": (head_of(model, ("left", "right")), side_images(70, 1)),
    }


def lines_of(log) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def loss_on(model, head, images) -> float:
    with torch.no_grad():
        features = model.encode_image(images.tensors[0])
        return cross_entropy(head(features), images.tensors[1]).item()


@pytest.mark.parametrize("mode", MODES)
def test_the_first_step_climbs_where_fine_tuning_descends(model, tasks, mode):
    """At theta0 both have the same gradient with the other sign; AdamW's step follows the sign."""
    head, train = tasks["colour"]
    recipe = Recipe(steps=1, batch_size=24, learning_rate=1e-3, warmup_steps=0, weight_decay=0.0)
    options = {"mode": mode, "fabric": make_fabric(precision="fp64"), "progress": False}
    up = ascend(model, head, train, recipe, **options)
    down = finetune(model, head, train, recipe, **options)
    assert up.losses[0] == -down.losses[0]
    moved = 0
    for name, theta0 in model.state_dict().items():
        if name in up.state:
            there, back = up.state[name] - theta0.double(), down.state[name] - theta0.double()
            torch.testing.assert_close(there, -back, rtol=1e-9, atol=1e-12)
            moved += int(there.abs().max() > 0)
    assert moved > 5


@pytest.mark.parametrize("mode", MODES)
def test_ascent_forgets_the_task(model, tasks, mode, tmp_path):
    head, train = tasks["colour"]
    log, out = tmp_path / "up.jsonl", tmp_path / "up.safetensors"
    done = ascend(model, head, train, LONGER, mode=mode, out=out, log=log, progress=False)
    lines = lines_of(log)
    assert all(line["loss"] == -line["cross_entropy"] for line in lines)
    assert lines[-1]["cross_entropy"] > lines[0]["cross_entropy"] + 0.5
    if mode == "standard":
        before = loss_on(model, head, train)
        with encoder_weights(model, done.state):
            assert loss_on(model, head, train) > before + 0.5
    told = read_settings(out)
    assert (told["mode"], told["objective"]) == (mode, "gradient ascent")


TRAININGS = {
    "ascent": lambda model, tasks, **more: ascend(model, *tasks["colour"], **more),
    "joint": lambda model, tasks, **more: finetune_jointly(model, tasks, **more),
}


class Killed(Exception):
    """Stands for a kill between two steps."""


@pytest.mark.parametrize("name", TRAININGS)
def test_a_killed_run_goes_on_to_the_same_bits(model, tasks, name, tmp_path, monkeypatch):
    recipe = Recipe(**{**vars(RECIPE), "save_every": 2})
    training, out = TRAININGS[name], tmp_path / "out.safetensors"
    expected = training(model, tasks, recipe=recipe, progress=False)
    keep_state = taujp.train.fit._Run.keep_state

    def killed(run):
        keep_state(run)
        if run.step == 5:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(taujp.train.fit._Run, "keep_state", killed)
        with pytest.raises(Killed):
            training(model, tasks, recipe=recipe, out=out, progress=False)
    assert not out.exists()
    steps = []
    with monkeypatch.context() as patched:
        advance = taujp.train.fit._Run.advance
        patched.setattr(
            taujp.train.fit._Run,
            "advance",
            lambda run, request: steps.append(run.step) or advance(run, request),
        )
        training(model, tasks, recipe=recipe, out=out, progress=False)
    assert steps == [4, 5]
    written = load_file(out)
    assert all(torch.equal(written[key], value) for key, value in expected.state.items())


def test_the_state_of_another_training_is_refused(model, tasks, tmp_path, monkeypatch):
    """Fine-tuning does not go on from where ascent was killed."""
    recipe, out = Recipe(**{**vars(RECIPE), "save_every": 2}), tmp_path / "out.safetensors"
    with monkeypatch.context() as patched:
        keep_state = taujp.train.fit._Run.keep_state

        def killed(run):
            keep_state(run)
            if run.step == 2:
                raise Killed

        patched.setattr(taujp.train.fit._Run, "keep_state", killed)
        with pytest.raises(Killed):
            ascend(model, *tasks["colour"], recipe, out=out, progress=False)
    with pytest.raises(ValueError, match="objective was 'gradient ascent' and is None"):
        finetune(model, *tasks["colour"], recipe, out=out, progress=False)


def command(*words, out) -> list[str]:
    quick = ("--steps", 2, "--batch-size", 8, "--lr", 1e-3, "--warmup", 1, "--quiet")
    return [str(word) for word in ("finetune", "--model", "demo", *words, *quick, "-o", out)]


def test_the_command_trains_both_baselines(tmp_path, capsys):
    up, joint = tmp_path / "up.safetensors", tmp_path / "joint.safetensors"
    assert main(command("--task", "digits", "--ascent", out=up)) == 0
    assert main(command("--jointly", "digits,letters", "--mode", "linear", out=joint)) == 0
    assert lines_of(up.with_suffix(".jsonl"))[0]["loss"] < 0
    told = read_settings(joint)
    assert (told["mode"], told["objective"]) == ("linear", "joint")
    assert list(told["tasks"]) == told["configuration"]["jointly"] == ["digits", "letters"]
    assert {"cross_entropy_digits", "cross_entropy_letters"} <= set(
        lines_of(joint.with_suffix(".jsonl"))[0]
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected one of them: --task NAME, or --jointly A,B"),
        (["--task", "digits", "--jointly", "letters"], "expected one of them"),
        (["--jointly", "digits,digits"], "expected every task once"),
        (["--jointly", "digits,nothing"], "'nothing' is not registered"),
        (["--jointly", "digits", "--teacher"], "--jointly, --teacher were given"),
        (["--task", "digits", "--ascent", "--teacher"], "--ascent, --teacher were given"),
        (
            ["--task", "digits", "--ascent", "--penalty", "orthogonal"],
            "--ascent: --penalty was given; expected it without penalties",
        ),
        (["--jointly", "digits", "--control", "letters"], "--jointly: --control was given"),
    ],
)
def test_one_clear_error(words, told, tmp_path, capsys):
    assert main(command(*words, out=tmp_path / "x.safetensors")) == 1
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
