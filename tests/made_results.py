"""Made-up results that look like those of a small model on four tasks: for tests of the reports.

A way is two numbers: how well a model does its own task, and how much one vector disturbs the
others' data. Everything else follows from them and a seeded noise.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from taujp.evaluate.results import (
    Addition,
    AdditionPoint,
    Negation,
    NegationPoint,
    Single,
    SingleTask,
)
from taujp.evaluate.task_scores import Bin, Scores

TASKS = ("fashion", "animals", "digits", "letters")
ZERO_SHOT = {"fashion": 0.31, "animals": 0.22, "digits": 0.44, "letters": 0.74, "symbols": 0.84}


@dataclass(frozen=True)
class MadeWay:
    """A way of fine-tuning: its mode, its own accuracy, its interference from 0 to 1."""

    mode: str
    own: float
    interference: float


WAYS = {
    "non-linear": MadeWay("standard", 0.88, 0.9),
    "linear": MadeWay("linear", 0.87, 0.55),
    "linear + tauJp": MadeWay("linear", 0.877, 0.06),
    "linear + Kronecker": MadeWay("linear", 0.872, 0.25),
}


class MadeResults:
    """One way and one seed: every kind of result, each agreeing with the others."""

    def __init__(self, way: MadeWay, seed: int, tasks: tuple[str, ...] = TASKS) -> None:
        self.way, self.names, self.random = way, tasks, random.Random(f"{way}{seed}{tasks}")
        self.zero = {task: ZERO_SHOT.get(task, 0.45) for task in tasks}
        self.own = {task: self.near(way.own, 0.03) for task in tasks}
        self.tasks = tuple(self.single_task(task) for task in tasks)

    def near(self, value: float, spread: float = 0.01) -> float:
        return min(1.0, max(0.0, value + self.random.uniform(-spread, spread)))

    def scores(self, accuracy: float, *, reliability: bool = True, count: int = 1000) -> Scores:
        """Over-confident by ten points, in fifteen bins of which the lowest are empty."""
        accuracy = round(accuracy * count) / count
        bins = []
        for index in range(15):
            confidence, weight = (index + 0.5) / 15, max(0.0, (index - 3) / 12) ** 2
            right = min(1.0, max(0.0, self.near(confidence - 0.1 - 0.1 * self.way.interference)))
            bins.append(Bin(round(weight * 215), confidence, right))
        return Scores(
            accuracy, count, self.near(0.1), self.near(0.03), self.near(1.2 - accuracy, 0.1),
            tuple(bins) if reliability else (),
        )  # fmt: skip

    def single_task(self, task: str) -> SingleTask:
        zero, own = self.zero[task], self.own[task]
        return SingleTask(
            task,
            self.scores(self.near(zero), reliability=False),
            self.scores(zero),
            self.scores(self.near(own), reliability=False),
            self.scores(own),
        )

    def accuracy(self, task: str, coefficient: float, added: int) -> float:
        """Rises to its own accuracy and falls with the interference of the other vectors."""
        zero, own = self.zero[task], self.own[task]
        learnt = zero + (own - zero) * (1 - math.exp(-4 * coefficient)) / (1 - math.exp(-4))
        lost = self.way.interference * coefficient**1.5 * (added - 1) / (len(self.names) - 1)
        return max(0.05, learnt - 0.62 * lost)

    def point(self, coefficient: float, names: tuple[str, ...], noise: float) -> AdditionPoint:
        each = {
            task: self.scores(self.near(self.accuracy(task, coefficient, len(names)), noise))
            for task in names
        }
        shares = [each[task].accuracy / self.own[task] for task in names]
        absolute = sum(one.accuracy for one in each.values()) / len(each)
        coefficients = dict.fromkeys(names, coefficient)
        return AdditionPoint(coefficients, each, absolute, sum(shares) / len(shares))

    def single(self, training: str = "each") -> Single:
        return Single(self.way.mode, self.tasks, training)

    def addition(self, method: str = "task_arithmetic") -> Addition:
        points = tuple(self.point(index / 20, self.names, 0.01) for index in range(21))
        best = max(points, key=lambda point: point.normalised).coefficient
        assert best is not None
        chosen, one_shot = (self.point(c, self.names, 0.005) for c in (best, 1.0))
        return Addition(
            self.way.mode, method, {}, "common", self.tasks, points, chosen, one_shot
        )  # fmt: skip

    def negation(self, target: str = "letters", vector: str = "task") -> Negation:
        points = tuple(self.negated(target, index / 20) for index in range(21))
        kept = [p for p in points if p.control.accuracy >= 0.95 * points[0].control.accuracy]
        chosen = self.negated(target, kept[-1].coefficient, others=True)
        return Negation(
            self.way.mode, "task_arithmetic", target, "symbols", "largest", 0.95, points,
            self.negated(target, 0.0, others=True), chosen,
            self.negated(target, 1.0, others=True), vector,
        )  # fmt: skip

    def negated(self, target: str, coefficient: float, *, others: bool = False) -> NegationPoint:
        zero = ZERO_SHOT.get(target, 0.5)
        steep = 5 - 3 * self.way.interference
        forgotten = self.scores(self.near(0.04 + (zero - 0.04) * math.exp(-steep * coefficient)))
        harm = (0.2 + 0.6 * self.way.interference) * coefficient**2
        control = self.scores(self.near(ZERO_SHOT["symbols"] * (1 - harm)))
        kept = {
            task: self.scores(
                self.near(self.zero[task] * (1 - self.way.interference * coefficient))
            )
            for task in self.names
            if others and task != target
        }
        return NegationPoint(coefficient, forgotten, control, kept)
