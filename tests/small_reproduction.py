"""A reproduction that takes seconds: a tiny random model, three easy tasks, two learning rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from small_clip import WORDS, small_clip, small_tokenizer
from taujp.data import task
from taujp.data.arrays import ArrayImages
from taujp.data.splits import RawSplits
from taujp.reproduce.candidates import USUAL, find_ways
from taujp.reproduce.jobs import Workers
from taujp.reproduce.run import Asked, reproduce
from taujp.reproduce.setups import Setup
from taujp.reproduce.world import Place
from taujp.train.model import ImageTextModel

SETUP = Setup(
    name="small",
    model="small",
    tasks=("small_colour", "small_side"),
    control="small_kept",
    recipe={"steps": 3, "batch_size": 16, "weight_decay": 0.0, "warmup_steps": 1},
    learning_rates=(1e-3, 1e-2),
    weights={"tau_jp": (0.3, 3.0), "kronecker": (1.0,)},
    control_rows=4,
    in_memory=True,
)


def images(count: int, classes: int, seed: int, *, sides: bool) -> ArrayImages:
    """Noise with a channel or a half raised, as small_clip's tasks, but uint8."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = random.integers(0, 150, (count, 8, 8, 3))
    for index, label in enumerate(labels):
        if sides:
            pixels[index, :, 4 * label : 4 * label + 4] += 80
        else:
            pixels[index, :, :, label] += 80
    return ArrayImages(pixels.astype(np.uint8), labels, f"{seed}.npz")


@task("small_colour", classes=WORDS[:3])
def small_colour(root: Path) -> RawSplits:
    return RawSplits(images(60, 3, 1, sides=False), None, images(40, 3, 2, sides=False), 0.3)


@task("small_side", classes=WORDS[3:])
def small_side(root: Path) -> RawSplits:
    return RawSplits(images(60, 2, 3, sides=True), None, images(40, 2, 4, sides=True), 0.3)


@task("small_kept", classes=WORDS[:2])
def small_kept(root: Path) -> RawSplits:
    return RawSplits(images(60, 2, 5, sides=False), None, images(40, 2, 6, sides=False), 0.3)


def to_tensor(image: object) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 64 - 2


@pytest.fixture
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name "small" loads the tiny model, wherever a reproduction asks for a model."""

    def load(name: str, *, device: str = "cpu") -> ImageTextModel:
        assert name == "small"
        return ImageTextModel(small_clip(), small_tokenizer(), to_tensor)

    monkeypatch.setattr("taujp.reproduce.world.load_model", load)
    monkeypatch.setattr("taujp.reproduce.speed.load_model", load)
    monkeypatch.setattr("taujp.train.model.load_model", load)


def small(protocol: str = "addition", **changes: object) -> Asked:
    """What is asked for, with changes."""
    asked = {"setup": SETUP, "seeds": (0,), "ways": find_ways(USUAL), **changes}
    return Asked(protocol, **asked)  # type: ignore[arg-type]


def make(asked: Asked, out: Path, lines: list[str] | None = None) -> dict:
    """Runs it in this process; `lines` gets what it says."""
    say = [].append if lines is None else lines.append
    return reproduce(asked, Place(out, out), Workers(), say)


def files_of(out: Path, pattern: str = "**/*.safetensors") -> dict[str, bytes]:
    """What a reproduction has written, by place."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob(pattern))}
