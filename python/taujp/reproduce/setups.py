"""What is reproduced on which model: tasks, recipe, and the grids that every way is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EIGHT = ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "sun397", "svhn")


@dataclass(frozen=True)
class Setup:
    """One model's reproduction.

    model: what taujp.train.model.load_model takes. control: the task that negation must keep; no
    penalty looks at it. recipe: fields of taujp.train.Recipe, without learning rate and seed.
    learning_rates: the grid of every way alike. weights: a penalty's grid, by its name, the one
    first that the learning rate is chosen with. control_rows: images of each other task a step.
    by_epochs: steps from a task's published epochs, in place of the recipe's. in_memory: images
    are transformed once.
    """

    name: str
    model: str
    tasks: tuple[str, ...]
    control: str
    recipe: Mapping[str, Any]
    learning_rates: tuple[float, ...]
    weights: Mapping[str, tuple[float, ...]]
    control_rows: int
    by_epochs: bool = False
    in_memory: bool = False


def _clip(name: str, *, accumulate: int = 1, control_rows: int = 16) -> Setup:
    """The papers' settings: PROTOCOLS of Yoshida et al. 2025 and Ortiz-Jimenez et al. 2023."""
    return Setup(
        name=name,
        model=f"{name}:openai",
        tasks=EIGHT,
        control="imagenet",
        recipe={"accumulate": accumulate},
        learning_rates=(1e-5,),
        weights={"tau_jp": (0.1,), "kronecker": (10.0,)},
        control_rows=control_rows,
        by_epochs=True,
    )


SETUPS = {
    "demo": Setup(
        name="demo",
        model="demo",
        tasks=("fashion", "animals", "digits", "letters"),
        control="symbols",
        recipe={"steps": 100, "batch_size": 64, "weight_decay": 0.0, "warmup_steps": 10},
        learning_rates=(3e-4, 1e-3, 3e-3),
        weights={"tau_jp": (0.3, 0.1, 1.0), "kronecker": (10.0,)},
        control_rows=8,
        in_memory=True,
    ),
    "ViT-B-32": _clip("ViT-B-32"),
    "ViT-B-16": _clip("ViT-B-16"),
    "ViT-L-14": _clip("ViT-L-14", accumulate=4, control_rows=4),
}


def setup_of(name: str) -> Setup:
    """The setup of a model; ValueError lists those there are."""
    if name not in SETUPS:
        raise ValueError(f"reproduce: --model {name}: expected one of {', '.join(SETUPS)}")
    return SETUPS[name]
