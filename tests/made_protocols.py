"""Made-up results of the protocols beyond addition and negation, from a MadeResults."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

from made_results import TASKS, MadeResults
from taujp.evaluate.pair_results import Disentanglement, Interference, Matrix
from taujp.evaluate.results import Analogy, AnalogyPoint, Ensemble, Subset, Subsets, Unseen


def subsets(made: MadeResults) -> Subsets:
    every = [some for size in range(len(made.names) + 1) for some in combinations(made.names, size)]
    return Subsets(
        made.way.mode, "task_arithmetic", made.tasks,
        tuple(_subset(made, some, 1.0) for some in every),
        tuple(_subset(made, some, 0.4 if len(some) > 1 else 1.0) for some in every),
    )  # fmt: skip


def _subset(made: MadeResults, some: tuple[str, ...], coefficient: float) -> Subset:
    each = {
        task: made.scores(
            made.accuracy(task, coefficient, len(some)) if task in some else made.zero[task],
            reliability=False,
        )
        for task in made.names
    }
    shares = {task: each[task].accuracy / made.own[task] for task in made.names}

    def mean(values: dict[str, float], names: tuple[str, ...]) -> float | None:
        return sum(values[name] for name in names) / len(names) if names else None

    right = {task: one.accuracy for task, one in each.items()}
    return Subset(
        some, coefficient, each, mean(right, some), mean(shares, some),
        mean(right, made.names) or 0.0, mean(shares, made.names) or 0.0,
    )  # fmt: skip


def disentanglement(made: MadeResults, steps: int = 21) -> Disentanglement:
    grid = tuple(-3 + 6 * index / (steps - 1) for index in range(steps))
    steep = 0.6 * made.way.interference + 0.02
    errors = tuple(tuple(2 * (1 - math.exp(-steep * abs(a * b))) for b in grid) for a in grid)
    return Disentanglement(made.way.mode, (made.names[0], made.names[1]), grid, errors)


def interference(made: MadeResults) -> Interference:
    tau_jp = _matrix(
        made, lambda: made.random.uniform(0.8, 1.4) * (0.1 + made.way.interference), 1.6
    )
    changed = _like(tau_jp, lambda v: min(1.0, 0.35 * v + made.random.uniform(0, 0.08)))
    return Interference(
        made.way.mode,
        tau_jp,
        _matrix(made, lambda: made.random.uniform(-0.05, 0.15), 1.0),
        changed,
        _like(changed, lambda v: 0.8 * v - 0.01),
    )


def _matrix(made: MadeResults, off_diagonal: Callable[[], float], diagonal: float) -> Matrix:
    values = tuple(
        tuple(diagonal if a == b else off_diagonal() for b in made.names) for a in made.names
    )
    return Matrix(made.names, made.names, values)


def _like(matrix: Matrix, change: Callable[[float], float]) -> Matrix:
    values = tuple(
        tuple(0.0 if a == b else change(value) for b, value in enumerate(row))
        for a, row in enumerate(matrix.values)
    )
    return Matrix(matrix.rows, matrix.columns, values)


def analogy(made: MadeResults) -> Analogy:
    grid = [(add / 5, shift / 5) for add in range(6) for shift in range(6)]
    points = tuple(
        AnalogyPoint(add, shift, made.scores(made.near(0.5 + 0.2 * add + 0.1 * shift)))
        for add, shift in grid
    )
    best = max(points, key=lambda point: point.scores.accuracy)
    return Analogy(
        made.way.mode, *made.names[:4], points, best, points[-1], made.scores(0.5),
        made.scores(0.7), made.scores(0.9),
    )  # fmt: skip


def unseen(made: MadeResults) -> Unseen:
    merged, left = made.names[:2], made.names[2:]
    zero = {task: made.scores(made.zero[task]) for task in left}
    kept = {task: made.scores(made.near(made.zero[task] - 0.05)) for task in left}
    one_shot = {task: made.scores(made.zero[task] * (1 - made.way.interference)) for task in left}
    return Unseen(made.way.mode, "task_arithmetic", merged, 0.4, zero, kept, one_shot)


def ensemble(made: MadeResults) -> Ensemble:
    average = {task: made.scores(made.accuracy(task, 0.25, len(made.names))) for task in TASKS}
    together = {task: made.scores(made.near(0.6, 0.1)) for task in TASKS}
    return Ensemble(made.way.mode, made.tasks, average, together)
