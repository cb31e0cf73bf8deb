"""A reproduction from data to records: every step that is missing, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from taujp.reproduce.candidates import Candidate, Way, first_round, second_round
from taujp.reproduce.choosing import best_rate, best_weight, write_choice
from taujp.reproduce.data import check_data, tasks_of
from taujp.reproduce.evaluating import evaluate
from taujp.reproduce.figures import measure
from taujp.reproduce.jobs import Run, Workers, runner
from taujp.reproduce.setups import Setup
from taujp.reproduce.training import train
from taujp.reproduce.world import Place

Choose = Literal["each", "first"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What is to be reproduced. choose: learning rate and weight on every seed by itself, or for
    all seeds on the first."""

    protocol: str
    setup: Setup
    seeds: tuple[int, ...]
    ways: tuple[Way, ...]
    choose: Choose = "each"


def reproduce(asked: Asked, place: Place, workers: Workers, say: Say) -> dict[int, list[Candidate]]:
    """Makes every record that is missing; returns what was chosen, by seed.

    Any step that was killed is done again or gone on with by the same call.
    """
    say(f"data of {', '.join(tasks_of(asked.setup, asked.protocol))}")
    check_data(tasks_of(asked.setup, asked.protocol), place)
    chosen: dict[int, list[Candidate]] = {}
    with runner(asked.setup, place, workers) as run:
        stage = Stage(asked, place.out, run, say)
        for seed in asked.seeds:
            first = next(iter(chosen.values()), None) if asked.choose == "first" else None
            chosen[seed] = stage.choose(seed) if first is None else stage.follow(seed, first)
            stage.evaluate(chosen[seed])
    return chosen


@dataclass(frozen=True)
class Stage:
    """The steps of one seed after another."""

    asked: Asked
    out: Path
    run: Run
    say: Say

    def choose(self, seed: int) -> list[Candidate]:
        """Trains both rounds of every way and chooses by their validation figures."""
        setup, ways = self.asked.setup, self.asked.ways
        rates = [first_round(way, setup, seed) for way in ways]
        self._make(one for tried in rates for one in tried)
        weights = [second_round(best_rate(self.out, tried), setup) for tried in rates]
        self._make(one for tried in weights for one in tried)
        chosen = [best_weight(self.out, tried) for tried in weights]
        for one, *tried in zip(chosen, rates, weights, strict=True):
            write_choice(self.out, one, [*tried[0], *tried[1]], chosen_on=seed)
            self.say(f"seed {seed}: {one.way.label}: chosen on validation data: {one.name}")
        return chosen

    def follow(self, seed: int, first: Sequence[Candidate]) -> list[Candidate]:
        """The first seed's choices, trained with this seed."""
        chosen = [replace(one, seed=seed) for one in first]
        self._make(chosen)
        for one in chosen:
            write_choice(self.out, one, [one], chosen_on=first[0].seed)
        return chosen

    def evaluate(self, chosen: Sequence[Candidate]) -> None:
        """The records of what was chosen."""
        protocol, began = self.asked.protocol, time.perf_counter()
        for candidate, _ in self.run([(evaluate, (one, protocol)) for one in chosen]):
            took = time.perf_counter() - began
            seed, label = candidate.seed, candidate.way.label
            self.say(f"seed {seed}: {label}: {protocol} evaluated after {took:.0f} s")

    def _make(self, candidates: Iterable[Candidate]) -> None:
        """Trains candidates on every task and takes their validation figures."""
        wanted = list(dict.fromkeys(candidates))
        pairs = [(one, task) for one in wanted for task in self.asked.setup.tasks]
        missing = [pair for pair in pairs if not pair[0].checkpoint(self.out, pair[1]).exists()]
        if missing:
            self.say(f"seed {wanted[0].seed}: {len(missing)} of {len(pairs)} models to train")
        for one, task in self.run([(train, pair) for pair in pairs]):
            if (one, task) in missing:
                self.say(f"seed {one.seed}: {one.way.label}, {one.name}: {task} trained")
        for _ in self.run([(measure, (one,)) for one in wanted]):
            pass
