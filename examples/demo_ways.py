"""The four ways of fine-tuning that the demo compares: mode, learning rate, penalties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taujp.tangent.kronecker import Factors, gather_factors, sum_factors
from taujp.train import PreparedTask, Recipe, finetune
from taujp.train.penalties import Kronecker, TauJp


@dataclass(frozen=True)
class World:
    """What all ways of fine-tuning share. `factors` stand for each task's images."""

    model: Any
    tasks: tuple[PreparedTask, ...]
    control: PreparedTask
    factors: Mapping[str, Factors]
    seed: int

    def others(self, task: PreparedTask) -> tuple[PreparedTask, ...]:
        """The tasks whose features a penalty is to keep; the control of negation is not one."""
        return tuple(other for other in self.tasks if other.name != task.name)


def no_penalty(world: World, task: PreparedTask) -> list[Any]:
    """Cross-entropy alone."""
    return []


def tau_jp(world: World, task: PreparedTask) -> list[Any]:
    """In every step some training images of every other task (the strict schedule)."""
    images = {other.name: other.splits.train for other in world.others(task)}
    return [TauJp(images, weight=0.1, batch_size=8, seed=world.seed)]


def kronecker(world: World, task: PreparedTask) -> list[Any]:
    """The other tasks' factors in place of their images."""
    factors = sum_factors([world.factors[other.name] for other in world.others(task)])
    return [Kronecker(factors, weight=10.0)]


@dataclass(frozen=True)
class Way:
    """A way of fine-tuning; docs/demo.md says how rates and weights were chosen."""

    mode: Any
    learning_rate: float
    penalties: Callable[[World, PreparedTask], list[Any]] = no_penalty


WAYS = {
    "non-linear": Way("standard", 1e-3),
    "linear": Way("linear", 3e-3),
    "linear + tauJp": Way("linear", 3e-3, tau_jp),
    "linear + Kronecker": Way("linear", 3e-3, kronecker),
}


def finetune_all(world: World, way: Way, out: Path, steps: int) -> dict[str, Path]:
    """Fine-tunes the model on every task by itself; returns where the checkpoints are."""
    recipe = Recipe(
        steps=steps,
        batch_size=64,
        learning_rate=way.learning_rate,
        weight_decay=0.0,
        warmup_steps=steps // 10,
        seed=world.seed,
    )
    checkpoints = {}
    for task in world.tasks:
        assert task.head is not None
        checkpoints[task.name] = out / "checkpoints" / f"{task.name}.safetensors"
        finetune(
            world.model,
            task.head,
            task.splits.train,
            recipe,
            mode=way.mode,
            penalties=way.penalties(world, task),
            out=checkpoints[task.name],
            log=out / "logs" / f"{task.name}.jsonl",
            configuration={"task": task.name},
        )
    return checkpoints


def factors_of(
    model: Any, tasks: Sequence[PreparedTask], seed: int, *, images: int = 256
) -> dict[str, Factors]:
    """What the Kronecker penalty needs of each task, from a few of its training images."""
    return {
        task.name: gather_factors(model, None, task.splits.train, images=images, seed=seed)
        for task in tasks
    }
