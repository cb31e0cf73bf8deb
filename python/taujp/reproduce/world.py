"""What every step of a reproduction shares: the model, its tasks, and where files go."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from taujp.data import find_task
from taujp.reproduce.setups import Setup
from taujp.train import PreparedTask, prepare
from taujp.train.model import ImageTextModel, load_model


@dataclass(frozen=True)
class Place:
    """Where a reproduction reads and writes, and what computes it."""

    root: Path
    out: Path
    device: str = "cpu"
    workers: int = 0


@dataclass
class World:
    """The model and its prepared tasks, each made when first asked for and kept."""

    setup: Setup
    place: Place
    _tasks: dict[str, PreparedTask] = field(default_factory=dict, repr=False)

    @cached_property
    def loaded(self) -> ImageTextModel:
        """Model, tokenizer and transform."""
        return load_model(self.setup.model, device=self.place.device)

    @property
    def model(self) -> Any:
        """The pre-trained model."""
        return self.loaded.model

    def task(self, name: str) -> PreparedTask:
        """A task with its head and data."""
        if name not in self._tasks:
            self._tasks[name] = prepare(
                find_task(name),
                self.loaded.model,
                self.loaded.tokenizer,
                self.loaded.transform,
                root=self.place.root,
                in_memory=self.setup.in_memory,
                tag=self.setup.model,
            )
        return self._tasks[name]

    @property
    def tasks(self) -> tuple[PreparedTask, ...]:
        """The tasks that are fine-tuned on, in the setup's order."""
        return tuple(self.task(name) for name in self.setup.tasks)

    @property
    def control(self) -> PreparedTask:
        """The task that negation must keep."""
        return self.task(self.setup.control)
