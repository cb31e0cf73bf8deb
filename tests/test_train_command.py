"""`taujp finetune`: what people type, and what they are told when it cannot be done."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from taujp.cli import main
from taujp.commands.finetune_arguments import MODES, RECIPE
from taujp.data import find_task, load_demo_model
from taujp.tangent.kronecker import gather_factors
from taujp.train import LINEARISED, Recipe, finetune, prepare, read_settings
from taujp.train.model import load_model
from taujp.train.penalties import TauJp

QUICK = ("--steps", 3, "--batch-size", 8, "--lr", 1e-3, "--warmup", 1, "--quiet")


@pytest.fixture(scope="module")
def demo():
    return load_demo_model()


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def command(*arguments, task="digits", recipe=QUICK) -> list[str]:
    return [
        str(one) for one in ("finetune", "--model", "demo", "--task", task, *recipe, *arguments)
    ]


def same_weights(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_command_does_what_the_function_does(demo, tmp_path, capsys):
    out = tmp_path / "digits.safetensors"
    penalty = ("--penalty", "tau_jp_cyclic=0.2", "--control", "letters,symbols")
    asked = ("--mode", "linear", *penalty, "--control-batch-size", 4, "--accumulate", 2)
    assert main(command(*asked, "-o", out)) == 0
    assert str(out) in capsys.readouterr().out
    digits, letters, symbols = (
        prepare(find_task(name), demo.model, demo.tokenizer, demo.transform)
        for name in ("digits", "letters", "symbols")
    )
    control = {"letters": letters.splits.train, "symbols": symbols.splits.train}
    recipe = Recipe(steps=3, batch_size=8, learning_rate=1e-3, warmup_steps=1, accumulate=2)
    expected = finetune(
        demo.model,
        digits.head,
        digits.splits.train,
        recipe,
        mode="linear",
        penalties=[TauJp(control, weight=0.2, schedule="cyclic", batch_size=4)],
        progress=False,
    )
    assert same_weights(load_file(out), expected.state)
    told = read_settings(out)
    assert told["mode"] == "linear"
    assert told["recipe"] == asdict(recipe)
    assert told["configuration"]["control"] == ["letters", "symbols"]


def test_a_killed_command_goes_on_to_the_same_bits(tmp_path):
    recipe = ("--steps", 20, "--batch-size", 8, "--lr", 1e-3, "--save-every", 2, "--quiet")
    out, log = tmp_path / "killed.safetensors", tmp_path / "killed.jsonl"
    typed = command("--in-memory", "-o", out, recipe=recipe)
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process: sums depend on it
    running = subprocess.Popen([sys.executable, "-m", "taujp", *typed], env=one_thread)
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 5):
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not out.exists()
    done = len(load_file(tmp_path / ".killed.resume.safetensors")["losses"])
    assert 2 <= done < 20
    whole = tmp_path / "whole.safetensors"
    assert main(typed) == 0
    assert main(command("--in-memory", "-o", whole, recipe=recipe)) == 0
    assert same_weights(load_file(out), load_file(whole))
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == list(range(20))
    assert not list(tmp_path.glob(".*"))


def test_factors_of_the_command_penalise(demo, tmp_path):
    files = []
    for name in ("letters", "symbols"):
        train = find_task(name).splits(demo.transform).train
        files.append(tmp_path / f"{name}.safetensors")
        settings = {"model": "demo", "tasks": [name]}
        gather_factors(demo.model, None, train, images=16, settings=settings).save(files[-1])
    out = tmp_path / "digits.safetensors"
    asked = ("--mode", "linear", "--penalty", "kronecker=2", "--penalty", "orthogonal=1e-3")
    assert main(command(*asked, "--factors", *files, "-o", out)) == 0
    last = json.loads((tmp_path / "digits.jsonl").read_text().splitlines()[-1])
    assert last["kronecker"] > 0
    total = last["cross_entropy"] + 2 * last["kronecker"] + 1e-3 * last["orthogonal"]
    assert last["loss"] == pytest.approx(total, rel=1e-5)


def test_the_first_of_the_past_tasks_has_no_penalty_and_the_next_has(tmp_path):
    for task, expected in (("digits", 0), ("letters", 1)):
        out = tmp_path / f"{task}.safetensors"
        asked = ("--penalty", "tau_jp", "--past", "digits,letters", "--mode", "linear")
        assert main(command(*asked, "-o", out, task=task)) == 0
        last = json.loads((tmp_path / f"{task}.jsonl").read_text().splitlines()[-1])
        assert (last["tau_jp"] > 0) == expected


def test_the_teacher_makes_an_ordinary_checkpoint(tmp_path):
    out = tmp_path / "digits.safetensors"
    asked = ("--teacher", "--reference", "symbols", "--teacher-lr", 2e-3)
    assert main(command(*asked, "-o", out)) == 0
    told = read_settings(out)
    assert told["mode"] == "standard"
    assert told["teacher"] == {"learning_rate": 2e-3, "reference": True}


def test_tensorboard_has_every_figure(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder, out = tmp_path / "events", tmp_path / "digits.safetensors"
    assert main(command("--tensorboard", folder, "-o", out)) == 0
    read = events.EventAccumulator(str(folder))
    read.Reload()
    lines = [json.loads(line) for line in (tmp_path / "digits.jsonl").read_text().splitlines()]
    shown = [(event.step, event.value) for event in read.Scalars("loss")]
    assert shown == [(line["step"], pytest.approx(line["loss"])) for line in lines]
    assert set(read.Tags()["scalars"]) == lines[0].keys() - {"step"}


def test_a_weights_and_biases_run_has_every_figure(tmp_path, monkeypatch):
    logged, started = {}, {}
    one = SimpleNamespace(
        log=lambda values, step: logged.update({step: values}), finish=lambda: started.pop("open")
    )
    fake = SimpleNamespace(init=lambda **settings: started.update(settings, open=True) or one)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    assert main(command("--wandb", "project", "-o", tmp_path / "digits.safetensors")) == 0
    lines = [json.loads(line) for line in (tmp_path / "digits.jsonl").read_text().splitlines()]
    assert logged == {line.pop("step"): line for line in lines}
    assert started.pop("config")["recipe"]["steps"] == 3
    assert started == {"project": "project", "name": "digits"}


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main(command("--wandb", "project", "-o", tmp_path / "x.safetensors")) == 1
    assert "pip install wandb" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    assert main(command("-o", tmp_path / "x.safetensors")) == 1
    assert "pip install 'taujp[clip]'" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--penalty", "nothing"], "expected one of tau_jp, tau_jp_cyclic, kronecker, orthogonal"),
        (["--penalty", "tau_jp=much"], "'much' is no number"),
        (["--penalty", "tau_jp"], "expected --control A,B or --past A,B"),
        (["--penalty", "tau_jp", "--control", "nothing"], "'nothing' is not registered"),
        (["--penalty", "tau_jp", "--control", "digits"], "'digits' is the task that is trained"),
        (["--control", "letters"], "no penalty uses them"),
        (["--penalty", "kronecker"], "from `taujp factors`"),
        (["--factors", "x.safetensors"], "no penalty uses them"),
        (["--rank", "4"], "expected mode 'lora'"),
        (["--chunk", "4"], "expected a linearised mode"),
        (["--reference", "symbols"], "only a teacher uses it"),
        (["--teacher", "--mode", "linear"], "--mode is linear"),
        (["--steps", "0"], "steps is 0"),
        (["--decay-towards", "infinity"], "expected one of ['theta0', 'zero']"),
        (["--model", "No-Such-Net"], "expected 'demo', a folder"),
        (["--task", "nothing"], "'nothing' is not registered"),
    ],
)
def test_one_clear_error(tmp_path, capsys, arguments, message):
    assert main(command(*arguments, "-o", tmp_path / "x.safetensors")) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_the_help_tells_the_recipes_defaults():
    for field, _, text in RECIPE.values():
        told = re.search(r"\(default (.*)\)", text).group(1)
        assert told == str(asdict(Recipe())[field])
    assert {field for field, _, _ in RECIPE.values()} == asdict(Recipe()).keys()
    assert ("standard", *LINEARISED) == MODES


def test_a_model_is_found_by_name_and_by_folder(demo):
    from taujp.data import DEMO_MODEL

    by_folder = load_model(str(DEMO_MODEL))
    assert same_weights(by_folder.model.state_dict(), demo.model.state_dict())
    assert torch.equal(by_folder.tokenizer(["a b"]), demo.tokenizer(["a b"]))
