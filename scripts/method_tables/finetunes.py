"""The demo's model, its tasks and ordinary fine-tunes of them, made where they are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from taujp.reproduce.candidates import WAYS, Candidate
from taujp.reproduce.setups import setup_of
from taujp.reproduce.training import train
from taujp.reproduce.world import Place, World

LEARNING_RATE = 1e-3  # chosen on validation data by `taujp reproduce addition --model demo`


def demo_world(work: Path) -> World:
    """Model and tasks; checkpoints go below `work`."""
    return World(setup_of("demo"), Place(root=Path(), out=work))


def finetuned(world: World, seed: int) -> Mapping[str, Path]:
    """Ordinary fine-tunes of a seed by task; those that are there are not made again."""
    candidate = Candidate(WAYS["non-linear"], LEARNING_RATE, None, seed)
    return {task: train(world, candidate, task) for task in world.setup.tasks}
