"""What a method gives on the four tasks: at its defaults, and at its best on validation data."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

import taujp
from taujp.evaluate import MergedWeights
from taujp.evaluate.addition import normalised_mean
from taujp.evaluate.cost import measured
from taujp.evaluate.results import AdditionPoint
from taujp.reproduce.world import World
from taujp.searching.on_tasks import OnTasks
from taujp.searching.result import best_of
from taujp.train import PreparedTask

GRID = (*(step / 10 for step in range(1, 11)), 1.25, 1.5, 1.75, 2.0)
# The one option of methods with a model for each task that is found on validation data.
OF_TASKS = {"tall_mask": ("share", (0.2, 0.3, 0.4, 0.5, 0.6))}
OTHERS = ("lambda_", (0.6, 0.8, 1.0, 1.2, 1.4))

Figures: TypeAlias = dict[str, Any]
Pair: TypeAlias = "tuple[MergedWeights, list[PreparedTask]]"


def on_four(models: MergedWeights, world: World, method: str) -> Figures:
    """One model of all tasks: at coefficient 1, and at the best common coefficient."""
    return _at_default_and_best(models, world.tasks, method)


def pairs_of(world: World, checkpoints: Mapping[str, Path]) -> list[Pair]:
    """The models and tasks of each two checkpoints."""
    return [
        (
            MergedWeights(world.model, {name: checkpoints[name] for name in names}),
            [world.task(name) for name in names],
        )
        for names in combinations(checkpoints, 2)
    ]


def on_pairs(pairs: Sequence[Pair], method: str) -> Figures:
    """The mean over all pairs of tasks of one model of two."""
    found = [_at_default_and_best(models, tasks, method) for models, tasks in pairs]
    return {
        which: {
            figure: statistics.mean(pair[which][figure] for pair in found)
            for figure in ("normalised", "absolute")
        }
        for which in ("default", "best")
    }


def on_tasks(models: MergedWeights, world: World, states: Sequence[Any], method: str) -> Figures:
    """A model for each task, each on its own: at the defaults, and with one option chosen."""
    base, *tuned = states
    option, values = OF_TASKS.get(method, OTHERS)

    def scored(split: str, **options: Any) -> tuple[float, float]:
        merged = taujp.merge_many(tuned, [1.0] * len(tuned), base, method=method, **options)
        by_task = MergedWeights(world.model, dict(zip(models.names, merged, strict=True)))
        scores = {t.name: by_task.own_scores(t.name, t, split) for t in world.tasks}  # type: ignore[arg-type]
        own = {t.name: models.own_scores(t.name, t, split).accuracy for t in world.tasks}  # type: ignore[arg-type]
        return normalised_mean(scores, own), statistics.mean(s.accuracy for s in scores.values())

    validation = {value: scored("validation", **{option: value})[0] for value in values}
    chosen = max(validation, key=lambda value: validation[value])
    default, best = scored("test"), scored("test", **{option: chosen})
    return {
        "default": {"normalised": default[0], "absolute": default[1]},
        "best": {"normalised": best[0], "absolute": best[1], option: chosen},
    }


def cost_of(states: Sequence[Any], method: str) -> Figures:
    """Milliseconds of a merge in memory (the median of three), and its peak in MB beyond the
    inputs."""
    base, *tuned = states
    count = min(len(tuned), taujp.methods()[method].most or len(tuned))
    ones = [1.0] * count
    theta0 = None if taujp.methods()[method].base == "none" else base

    def merge() -> float:
        started = time.perf_counter()
        taujp.merge_many(tuned[:count], ones, theta0, method=method)
        return time.perf_counter() - started

    seconds = statistics.median([merge() for _ in range(4)][1:])
    # Memory that was freed and not given back would be used again, unseen.
    ctypes.CDLL(None).malloc_trim(0)
    with measured() as before:
        pass
    with measured() as during:
        merge()
    peaks = [one.cost.peak_memory_bytes or 0 for one in (before, during)]
    return {"milliseconds": 1e3 * seconds, "megabytes": (peaks[1] - peaks[0]) / 1e6}


def _at_default_and_best(
    models: MergedWeights, tasks: Sequence[PreparedTask], method: str
) -> Figures:
    objective = OnTasks(
        models.merging(method),
        tasks,
        {"coefficient": GRID},
        scheme="common",
        measure="normalised",
        at_once=len(GRID),
    )
    if taujp.methods()[method].base == "none":
        # Whole models are averaged: their coefficients sum to 1, and there is nothing to scale.
        point = _figures(objective.test({"coefficient": 1 / len(tasks)}))
        return {"default": point, "best": point}
    trials = objective.measure(objective.space.points())
    best = dict(best_of(tuple(trials), maximise=True).values)
    return {
        "default": _figures(objective.test({"coefficient": 1.0})),
        "best": {**_figures(objective.test(best)), **best},
    }


def _figures(point: AdditionPoint) -> Figures:
    tasks = {name: score.accuracy for name, score in point.scores.items()}
    return {"normalised": point.normalised, "absolute": point.absolute, "tasks": tasks}
