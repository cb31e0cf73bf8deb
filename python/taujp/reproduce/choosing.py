"""Which learning rate and which weight a way is given, by validation figures alone.

The learning rate with the best mean accuracy of the tasks' own models; then, at that rate, the
weight of the penalty with the best mean accuracy of all vectors added with coefficient 1. Of
equals the first in the grid. Every way has the same learning rates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from taujp.reproduce.candidates import Candidate, Way, first_round
from taujp.reproduce.figures import Figures, figures_file
from taujp.reproduce.json_file import write_json
from taujp.reproduce.setups import Setup

RULE = (
    "learning rate: best mean accuracy of each task's own model; then weight: best mean accuracy "
    "of all task vectors added with coefficient 1; both on validation data"
)


def best_rate(out: Path, tried: Sequence[Candidate]) -> Candidate:
    """Of the candidates that differ in their learning rate."""
    return max(tried, key=lambda one: figures_of(out, one).own_mean)


def best_weight(out: Path, tried: Sequence[Candidate]) -> Candidate:
    """Of the candidates that differ in the weight of their penalty."""
    return max(tried, key=lambda one: figures_of(out, one).one_shot_mean)


def figures_of(out: Path, candidate: Candidate) -> Figures:
    """What figures.measure wrote."""
    content = json.loads(figures_file(out, candidate).read_text(encoding="utf-8"))
    return Figures(content["own"], content["one_shot"])


def choices_file(out: Path) -> Path:
    """Every seed's choice, with all figures that it was made by."""
    return out / "choices.json"


def write_choice(
    out: Path, chosen: Candidate, tried: Sequence[Candidate], *, chosen_on: int
) -> None:
    """Adds a way's choice for one seed to choices.json. chosen_on: the seed of the figures."""
    path = choices_file(out)
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rule": RULE}
    seeds = content.setdefault("seeds", {})
    seeds.setdefault(str(chosen.seed), {})[chosen.way.label] = {
        "learning_rate": chosen.learning_rate,
        "weight": chosen.weight,
        "chosen_on_seed": chosen_on,
        "validation": [_told(out, candidate) for candidate in dict.fromkeys(tried)],
    }
    write_json(content, path)


def read_choice(out: Path, way: Way, setup: Setup, seed: int) -> Candidate | None:
    """What write_choice wrote, or None."""
    path = choices_file(out)
    content: Mapping[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    found = content.get("seeds", {}).get(str(seed), {}).get(way.label)
    if found is None:
        return None
    rates = {one.learning_rate: one for one in first_round(way, setup, seed)}
    if found["learning_rate"] not in rates:
        return None
    return replace(rates[found["learning_rate"]], weight=found["weight"])


def _told(out: Path, candidate: Candidate) -> dict[str, Any]:
    figures = figures_of(out, candidate)
    return {
        "learning_rate": candidate.learning_rate,
        "weight": candidate.weight,
        "own_mean": figures.own_mean,
        "one_shot_mean": figures.one_shot_mean,
        "own": figures.own,
        "one_shot": figures.one_shot,
    }
