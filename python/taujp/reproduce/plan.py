"""The steps of a reproduction before any is taken: what is there already and what it will cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from taujp.reproduce.candidates import Candidate, Way, first_round, weights_of
from taujp.reproduce.choosing import choices_file, read_choice
from taujp.reproduce.data import data_file, tasks_of
from taujp.reproduce.evaluating import records_of
from taujp.reproduce.run import Asked


@dataclass(frozen=True)
class PlannedStep:
    """`files`: what it writes, and how many of them are there. models: how many are trained of
    one way; `rate_open`: its learning rate is not chosen yet, and the files' names show a *."""

    what: str
    out: Path
    files: int
    there: int
    way: Way | None = None
    rate_open: bool = False

    @property
    def missing(self) -> int:
        return self.files - self.there


def planned_steps(asked: Asked, out: Path) -> list[PlannedStep]:
    """Every step in order; nothing is loaded or read but what lies in `out`."""
    data = data_file(out)
    names = ", ".join(tasks_of(asked.setup, asked.protocol))
    steps = [PlannedStep(f"check the data of {names}", data, 1, int(data.exists()))]
    for seed in asked.seeds:
        if asked.choose == "each" or seed == asked.seeds[0]:
            steps += _choosing(asked, out, seed)
        else:
            steps += [_followed(asked, out, way, seed) for way in asked.ways]
        steps += [_evaluating(asked, out, way, seed) for way in asked.ways]
    report = out / "report.html"
    return [*steps, PlannedStep("report", report, 1, int(report.exists()))]


def _choosing(asked: Asked, out: Path, seed: int) -> list[PlannedStep]:
    """Both rounds of every way, and the choice."""
    steps = []
    for way in asked.ways:
        candidates = first_round(way, asked.setup, seed)
        steps += [_training(asked, out, candidate) for candidate in candidates]
        chosen = read_choice(out, way, asked.setup, seed)
        for weight in weights_of(way, asked.setup)[1:]:
            rate = candidates[0].learning_rate if chosen is None else chosen.learning_rate
            one = Candidate(way, rate, weight, seed)
            steps.append(_training(asked, out, one, rate_open=chosen is None))
        what = f"seed {seed}: {way.label}: choose on validation data"
        steps.append(PlannedStep(what, choices_file(out), 1, int(chosen is not None)))
    return steps


def _training(
    asked: Asked, out: Path, candidate: Candidate, *, rate_open: bool = False
) -> PlannedStep:
    paths = [candidate.checkpoint(out, task) for task in asked.setup.tasks]
    there = 0 if rate_open else sum(path.exists() for path in paths)
    name = candidate.name
    if rate_open:
        name = name.replace(f"lr-{candidate.learning_rate:g}", "lr-*")
    what = f"seed {candidate.seed}: {candidate.way.label}: train {name}"
    place = paths[0].parent.with_name(name)
    return PlannedStep(what, place, len(paths), there, candidate.way, rate_open)


def _followed(asked: Asked, out: Path, way: Way, seed: int) -> PlannedStep:
    """What the first seed chose, trained with another."""
    chosen = read_choice(out, way, asked.setup, seed)
    if chosen is not None:
        return _training(asked, out, chosen)
    weight = weights_of(way, asked.setup)[0]
    rate = asked.setup.learning_rates[0]
    return _training(asked, out, Candidate(way, rate, weight, seed), rate_open=True)


def _evaluating(asked: Asked, out: Path, way: Way, seed: int) -> PlannedStep:
    candidate = first_round(way, asked.setup, seed)[0]
    paths = records_of(out, candidate, asked.protocol, asked.setup.tasks)
    there = sum(path.exists() for path in paths)
    what = f"seed {seed}: {way.label}: evaluate {asked.protocol}"
    return PlannedStep(what, paths[0].parent, len(paths), there)
