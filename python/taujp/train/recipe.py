"""The settings of a fine-tuning run, and its learning rate over time."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

DecayTowards = Literal["theta0", "zero"]


@dataclass(frozen=True)
class Recipe:
    """Settings of `finetune`; the defaults are those of the papers on CLIP task vectors.

    steps: optimiser steps. warmup_steps: of linear warm-up before the cosine. gradient_clip: the
    largest norm of the gradient. weight_decay pulls the weights to where they started (the task
    vector to 0); decay_towards="zero" pulls them to 0, as AdamW does. accumulate: parts that a
    batch is computed in, one after another, for less memory and the same gradient. save_every:
    steps between the states that a killed run goes on from (0: none).
    """

    steps: int = 2000
    batch_size: int = 128
    learning_rate: float = 1e-5
    weight_decay: float = 0.1
    warmup_steps: int = 200
    gradient_clip: float = 1.0
    label_smoothing: float = 0.0
    seed: int = 0
    accumulate: int = 1
    decay_towards: DecayTowards = "theta0"
    save_every: int = 200

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate", "gradient_clip", "accumulate"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"Recipe: {name} is {getattr(self, name)}; expected a number above 0"
                )
        for name, value in self._numbers().items():
            if not 0 <= value < math.inf:
                raise ValueError(f"Recipe: {name} is {value}; expected a finite number, 0 or more")
        if self.decay_towards not in get_args(DecayTowards):
            raise ValueError(
                f"Recipe: decay_towards is {self.decay_towards!r}; expected one of "
                f"{list(get_args(DecayTowards))}"
            )

    def _numbers(self) -> dict[str, Any]:
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in every.items() if name != "decay_towards"}


def learning_rate_factor(step: int, *, steps: int, warmup_steps: int) -> float:
    """What the learning rate is multiplied by at `step`: up to 1 linearly, then a cosine to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return (1 + math.cos(math.pi * done)) / 2
