"""How long a fine-tuning step takes here: measured on a few steps of the real model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from taujp.reproduce.candidates import Way
from taujp.reproduce.setups import Setup
from taujp.train import Recipe, finetune, make_fabric
from taujp.train.encoder import encoder_state
from taujp.train.model import load_model
from taujp.train.penalties import TauJp

STEPS = 3  # the first ones also load kernels; the last one counts
ROWS = 8  # of a batch; more where the model is small


@dataclass
class _Clock:
    """A logger that keeps the time of every step."""

    seconds: list[float] = field(default_factory=list)

    def open(self, *, start: int, settings: Mapping[str, Any]) -> None:
        """Nothing to open."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Keeps when the step was done."""
        self.seconds.append(values["seconds"])

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Speed:
    """seconds: of one step of each way, by its label. checkpoint_bytes: of one fine-tuned file."""

    seconds: dict[str, float]
    checkpoint_bytes: int


def measure_speed(setup: Setup, ways: tuple[Way, ...], device: str) -> Speed:
    """A few steps of every way on random images and, of CLIP models, random weights.

    Steps are taken with small batches where the model is large, and scaled to the recipe's.
    """
    model = load_model(random_weights(setup.model), device=device).model
    with torch.no_grad():
        width = model.encode_image(_images(model, 1, device)).shape[-1]
    seconds = {way.label: _of_a_step(setup, way, model, width, device) for way in ways}
    size = sum(value.nbytes for value in encoder_state(model).values())
    return Speed(seconds, size)


def random_weights(model: str) -> str:
    """The model's architecture without a download: its speed does not depend on its weights."""
    return f"{model.partition(':')[0]}:none" if ":" in model else model


def _of_a_step(setup: Setup, way: Way, model: Any, width: int, device: str) -> float:
    batch = Recipe(**setup.recipe).batch_size
    rows = batch if setup.in_memory else min(ROWS, batch)
    penalties = []
    if way.penalty == "tau_jp":
        others = _data(model, max(1, round(setup.control_rows * rows / batch)))
        sets = {str(number): others for number in range(len(setup.tasks) - 1)}
        penalties = [TauJp(sets, batch_size=len(others))]
    clock = _Clock()
    finetune(
        model,
        nn.Linear(width, 2, bias=False).to(device),
        _data(model, rows),
        Recipe(steps=STEPS, batch_size=rows, warmup_steps=1, learning_rate=1e-6),
        mode=way.mode,  # type: ignore[arg-type]
        penalties=penalties,
        loggers=[clock],
        progress=False,
        fabric=make_fabric(device),
    )
    return (clock.seconds[-1] - clock.seconds[-2]) * batch / rows


def _data(model: Any, rows: int) -> TensorDataset:
    return TensorDataset(_images(model, rows, "cpu"), torch.arange(rows) % 2)


def _images(model: Any, rows: int, device: str) -> torch.Tensor:
    size = model.visual.image_size
    height, width = size if isinstance(size, tuple) else (size, size)
    return torch.randn(rows, 3, height, width, device=device)
