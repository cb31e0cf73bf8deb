"""What a candidate reaches on validation data. Test data are not looked at in this file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from taujp.evaluate import merged_models
from taujp.reproduce.candidates import Candidate
from taujp.reproduce.json_file import write_json
from taujp.reproduce.world import World


@dataclass(frozen=True)
class Figures:
    """Accuracies in [0, 1] on validation data by task: each by its own model, and all added with
    coefficient 1."""

    own: dict[str, float]
    one_shot: dict[str, float]

    @property
    def own_mean(self) -> float:
        return fmean(self.own.values())

    @property
    def one_shot_mean(self) -> float:
        return fmean(self.one_shot.values())


def figures_file(out: Path, candidate: Candidate) -> Path:
    """Where a candidate's figures are kept: beside its checkpoints."""
    return candidate.checkpoint(out, "x").with_name("validation.json")


def is_measured(out: Path, candidate: Candidate, tasks: Sequence[str]) -> bool:
    """Whether the figures are there and no checkpoint is younger."""
    path = figures_file(out, candidate)
    if not path.exists():
        return False
    checkpoints = (candidate.checkpoint(out, task) for task in tasks)
    return all(each.stat().st_mtime <= path.stat().st_mtime for each in checkpoints)


def measure(world: World, candidate: Candidate) -> dict[str, Any]:
    """The figures of a candidate whose models are trained, as JSON; written beside them."""
    if is_measured(world.place.out, candidate, world.setup.tasks):
        content: dict[str, Any] = json.loads(figures_file(world.place.out, candidate).read_text())
        return content
    paths = {name: candidate.checkpoint(world.place.out, name) for name in world.setup.tasks}
    models = merged_models(world.model, paths, workers=world.place.workers)
    together = dict.fromkeys(world.setup.tasks, 1.0)
    found = Figures(
        {
            task.name: models.own_scores(task.name, task, "validation").accuracy
            for task in world.tasks
        },
        {
            task.name: models.scores([together], task, "validation")[0].accuracy
            for task in world.tasks
        },
    )
    write_json(asdict(found), figures_file(world.place.out, candidate))
    return asdict(found)
