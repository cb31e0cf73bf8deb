"""A run that is killed goes on to the same bits; what cannot go on says why and harms nothing."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import Dataset

from small_clip import colour_images, head_of, side_images, small_clip
from taujp.train import Recipe, finetune, read_settings
from taujp.train.penalties import TauJp

RECIPE = Recipe(steps=9, batch_size=16, learning_rate=3e-3, warmup_steps=2, save_every=2)
HEAD_CLASSES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def model():
    return small_clip()


@pytest.fixture(autouse=True)
def _one_thread():
    """A forked process may not start the threads its parent had; both compute with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Pausing(Dataset):
    """Images that stop coming until `reached` goes, for a process to be killed at a known step."""

    def __init__(self, images: Dataset, before_image: int, reached: Path) -> None:
        self.images, self.left, self.reached = images, before_image, reached

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        if not self.left:
            self.reached.touch()
            while self.reached.exists():
                time.sleep(0.01)
        self.left -= 1
        return self.images[index]


def train(model, out: Path, images: Dataset | None = None, recipe: Recipe = RECIPE, **more):
    return finetune(
        model,
        head_of(model, HEAD_CLASSES),
        images or colour_images(60, 0),
        recipe,
        mode="linear",
        penalties=[TauJp({"side": side_images(30, 0)}, schedule="cyclic", batch_size=8)],
        out=out,
        progress=False,
        **more,
    )


def ended_by(signal_number: int, work: Callable[[], object], reached: Path) -> int:
    """Runs `work` in a process of its own, sends the signal once `reached` exists; its status."""
    child = os.fork()
    if not child:
        try:
            work()
        except KeyboardInterrupt as interrupt:
            reached.with_suffix(".said").write_text(str(interrupt))
        finally:
            os._exit(3)
    while not reached.exists():
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the process ended by itself"
        time.sleep(0.01)
    os.kill(child, signal_number)
    reached.unlink()
    return os.waitpid(child, 0)[1]


def without_times(log: Path) -> list[dict]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    timed = ("seconds", "images_per_second")
    return [{name: value for name, value in line.items() if name not in timed} for line in lines]


@pytest.mark.parametrize("step", [1, 5])
def test_a_killed_run_goes_on_to_the_same_bits(model, tmp_path, step):
    whole = train(model, tmp_path / "whole.safetensors")
    out, reached = tmp_path / "killed.safetensors", tmp_path / "reached"
    images = Pausing(colour_images(60, 0), step * RECIPE.batch_size + 3, reached)
    status = ended_by(signal.SIGKILL, lambda: train(model, out, images), reached)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not out.exists()
    assert (tmp_path / ".killed.resume.safetensors").exists() == (step > RECIPE.save_every)
    with (tmp_path / "killed.jsonl").open("a") as log:
        log.write('{"step": 5, "lo')  # as a kill inside a write leaves it
    went_on = train(model, out)
    assert went_on.losses == whole.losses
    assert all(torch.equal(went_on.state[name], value) for name, value in whole.state.items())
    stored = load_file(out)
    assert all(torch.equal(stored[name], value) for name, value in whole.state.items())
    assert read_settings(out) == read_settings(tmp_path / "whole.safetensors")
    assert without_times(tmp_path / "killed.jsonl") == without_times(tmp_path / "whole.jsonl")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "whole.safetensors",
        "whole.jsonl",
        "killed.safetensors",
        "killed.jsonl",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_saves_and_says_how_to_go_on(model, tmp_path, number):
    whole = train(model, tmp_path / "whole.safetensors")
    out, reached = tmp_path / "stopped.safetensors", tmp_path / "reached"
    images = Pausing(colour_images(60, 0), 4 * RECIPE.batch_size + 3, reached)
    recipe = replace(RECIPE, save_every=0)
    status = ended_by(number, lambda: train(model, out, images, recipe), reached)
    assert os.WEXITSTATUS(status) == 3
    assert reached.with_suffix(".said").read_text() == (
        "stopped after 5 of 9 steps; run the same command again to go on"
    )
    went_on = train(model, out, recipe=RECIPE)  # how often it is saved may change
    assert went_on.losses == whole.losses
    assert all(torch.equal(went_on.state[name], value) for name, value in whole.state.items())


def stop_at(model, out: Path, step: int, **more) -> None:
    """Leaves the state of a run that has done `step` steps."""
    reached = out.with_suffix(".reached")
    images = Pausing(colour_images(60, 0), step * RECIPE.batch_size - 1, reached)
    ended_by(signal.SIGTERM, lambda: train(model, out, images, **more), reached)


def test_a_changed_configuration_is_refused_and_named(model, tmp_path):
    out = tmp_path / "x.safetensors"
    stop_at(model, out, 3)
    state = (tmp_path / ".x.resume.safetensors").read_bytes()
    changed = replace(RECIPE, learning_rate=1e-3, accumulate=2)
    with pytest.raises(
        ValueError, match=r"recipe\.learning_rate was 0\.003 and is 0\.001"
    ) as raised:
        train(model, out, recipe=changed)
    assert "recipe.accumulate was 1 and is 2" in str(raised.value)
    assert "--no-resume" in str(raised.value)
    with pytest.raises(ValueError, match="theta0 was"):
        train(small_clip(seed=1), out)
    with pytest.raises(ValueError, match="training images was 60 and is 30"):
        train(model, out, colour_images(30, 0))
    assert (tmp_path / ".x.resume.safetensors").read_bytes() == state
    anew = train(model, out, recipe=changed, resume=False)
    assert anew.losses == train(model, tmp_path / "y.safetensors", recipe=changed).losses
    assert not (tmp_path / ".x.resume.safetensors").exists()


def test_a_loss_that_is_not_finite_keeps_the_last_good_state(model, tmp_path):
    images = colour_images(60, 0)
    images.tensors[0][17] = float("nan")  # of some batch of the first pass
    out = tmp_path / "x.safetensors"
    recipe = replace(RECIPE, save_every=1, batch_size=4, steps=15)
    with pytest.raises(ValueError, match=r"loss is nan at step \d+ \(learning rate") as raised:
        train(model, out, images, recipe)
    step = int(str(raised.value).split("at step ")[1].split()[0])
    state = load_file(tmp_path / ".x.resume.safetensors")
    assert len(state["losses"]) == step > 0
    assert all(value.isfinite().all() for value in state.values())
    assert not out.exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few kilobytes, and a function that gives it more; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kilobytes: int, *options: str) -> None:
        size = f"size={kilobytes}k"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join([*options, size]), "tmpfs", folder],
            check=True,
            capture_output=True,
        )

    try:
        mount(4)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system of our own: {error}")
    yield folder, lambda kilobytes: mount(kilobytes, "remount")
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_keeps_the_last_good_state(model, tmp_path, small_disk):
    whole = train(model, tmp_path / "whole.safetensors")
    folder, resize = small_disk
    stop_at(model, tmp_path / "size.safetensors", 3)
    needed = (tmp_path / ".size.resume.safetensors").stat().st_size // 1024
    resize(needed + needed // 2)  # one state fits, two do not
    out = folder / "x.safetensors"
    with pytest.raises(OSError, match=r"cannot write .*No space left.*unharmed; make room"):
        train(model, out)
    assert len(load_file(folder / ".x.resume.safetensors")["losses"]) == 2
    assert {path.name for path in folder.iterdir()} == {".x.resume.safetensors", "x.jsonl"}
    resize(4 * needed)
    went_on = train(model, out)
    assert went_on.losses == whole.losses
    assert all(torch.equal(went_on.state[name], value) for name, value in whole.state.items())


def test_a_failed_write_leaves_the_checkpoint_that_was_there(model, tmp_path, monkeypatch):
    out = tmp_path / "x.safetensors"
    train(model, out, recipe=replace(RECIPE, steps=1))
    before = out.read_bytes()

    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match=r"x\.safetensors.*No space left"):
        train(model, out, recipe=replace(RECIPE, steps=1, seed=1))
    assert out.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"x.safetensors", "x.jsonl"}


def test_a_log_that_cannot_be_written_is_named(model, tmp_path):
    with pytest.raises(OSError, match=r"cannot write the log '/dev/full'.*No space left"):
        train(model, tmp_path / "x.safetensors", log="/dev/full")


def test_a_signal_in_the_last_step_lets_the_run_end_and_then_stops(model, tmp_path):
    out, reached = tmp_path / "x.safetensors", tmp_path / "reached"
    images = Pausing(colour_images(60, 0), RECIPE.steps * RECIPE.batch_size - 1, reached)
    ended_by(signal.SIGTERM, lambda: train(model, out, images), reached)
    assert "complete" in reached.with_suffix(".said").read_text()
    assert out.exists()
    assert not list(tmp_path.glob(".*"))


def test_files_have_the_permissions_of_other_files(model, tmp_path):
    train(model, tmp_path / "x.safetensors")
    (tmp_path / "plain").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1
