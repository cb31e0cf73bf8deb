"""The settings of a fine-tuning run, and its learning rate over time."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Recipe:
    """Settings of `finetune`; the defaults are those of the papers on CLIP task vectors.

    steps: optimiser steps. warmup_steps: of linear warm-up before the cosine. gradient_clip: the
    largest norm of the gradient. weight_decay pulls the weights to 0, as AdamW does.
    """

    steps: int = 2000
    batch_size: int = 128
    learning_rate: float = 1e-5
    weight_decay: float = 0.1
    warmup_steps: int = 200
    gradient_clip: float = 1.0
    label_smoothing: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate", "gradient_clip"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"Recipe: {name} is {getattr(self, name)}; expected a number above 0"
                )
        for field in fields(self):
            if not 0 <= getattr(self, field.name) < math.inf:
                raise ValueError(
                    f"Recipe: {field.name} is {getattr(self, field.name)}; expected a finite "
                    "number, 0 or more"
                )


def learning_rate_factor(step: int, *, steps: int, warmup_steps: int) -> float:
    """What the learning rate is multiplied by at `step`: up to 1 linearly, then a cosine to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return (1 + math.cos(math.pi * done)) / 2
