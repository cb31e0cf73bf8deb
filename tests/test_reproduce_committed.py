"""The committed reproduction on the demo's model: what it must show, on every seed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest

from taujp.evaluate.result_files import load_record
from taujp.evaluate.results import Addition, Negation, NegationPoint
from taujp.reproduce.candidates import WAYS, find_ways, weights_of
from taujp.reproduce.setups import SETUPS
from taujp.reproduce.tables import others_kept

FOLDER = Path(__file__).parent.parent / "docs" / "reproduction"
SETUP, SEEDS = SETUPS["demo"], (0, 1, 2, 3, 4)
LABELS = ("non-linear", "linear", "linear + tauJp")
TAU_JP = "linear + tauJp"


@cache
def record(seed, label, name):
    (way,) = find_ways([label])
    return load_record(FOLDER / "records" / f"seed-{seed}" / way.folder / f"{name}.json")


def added(seed, label) -> Addition:
    return record(seed, label, "addition").result


def own(seed, label) -> float:
    return fmean(task.finetuned_test.accuracy for task in added(seed, label).tasks)


def negated(seed, label) -> list[Negation]:
    return [record(seed, label, f"negation-{task}").result for task in SETUP.tasks]


@pytest.mark.parametrize("seed", SEEDS)
def test_one_shot_addition_is_far_above_that_of_the_other_ways(seed):
    ours = added(seed, TAU_JP)
    for other in ("non-linear", "linear"):
        assert ours.one_shot.absolute >= added(seed, other).one_shot.absolute + 0.2
    assert ours.one_shot.normalised > 0.90
    assert abs(own(seed, TAU_JP) - own(seed, "linear")) <= 0.03
    assert abs(ours.one_shot.absolute - ours.chosen.absolute) <= 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_under_negation_the_other_tasks_are_kept(seed):
    for attribute in ("one_shot", "chosen"):
        kept = []
        for result in negated(seed, TAU_JP):
            point = getattr(result, attribute)
            assert isinstance(point, NegationPoint), f"{result.target}: nothing qualified"
            assert point.others.keys() == set(SETUP.tasks) - {result.target}
            kept.append(others_kept(point, result))
        assert fmean(kept) >= 0.85, attribute


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("label", LABELS)
def test_coefficients_were_chosen_on_validation_data(seed, label):
    result = added(seed, label)
    best = max(result.validation, key=lambda point: point.normalised)
    assert result.chosen.coefficients == best.coefficients
    assert len(result.validation) == 21
    assert result.one_shot.coefficient == 1
    for one in negated(seed, label):
        if isinstance(one.chosen, NegationPoint):
            needed = one.keep * one.validation[0].control.accuracy
            kept = [p.coefficient for p in one.validation[1:] if p.control.accuracy >= needed]
            assert one.chosen.coefficient == max(kept)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("label", LABELS)
def test_rates_and_weights_were_chosen_by_the_rule(seed, label):
    seeds = json.loads((FOLDER / "choices.json").read_text())["seeds"]
    choice = seeds[str(seed)][label]
    tried = seeds[str(choice["chosen_on_seed"])][label]["validation"]
    first = weights_of(WAYS[label], SETUP)[0]
    rates = [one for one in tried if one["weight"] == first]
    assert tuple(one["learning_rate"] for one in rates) == SETUP.learning_rates
    rate = max(rates, key=lambda one: one["own_mean"])["learning_rate"]
    weights = [one for one in tried if one["learning_rate"] == rate]
    assert {one["weight"] for one in weights} == set(weights_of(WAYS[label], SETUP))
    weight = max(weights, key=lambda one: one["one_shot_mean"])["weight"]
    assert (choice["learning_rate"], choice["weight"]) == (rate, weight)


def test_every_record_is_of_models_of_its_own_on_the_same_data():
    checkpoints, data = set(), set()
    for seed in SEEDS:
        for label in LABELS:
            about = record(seed, label, "addition").provenance
            assert (about.way, about.seed, about.model) == (label, seed, "demo")
            checkpoints |= set(about.checkpoints.values())
            data.add(tuple(sorted(about.data.items())))
            for task in SETUP.tasks:
                negation = record(seed, label, f"negation-{task}")
                assert negation.provenance.checkpoints == about.checkpoints
    assert len(checkpoints) == len(SEEDS) * len(LABELS) * len(SETUP.tasks)
    assert len(data) == 1


def test_the_page_is_there_and_needs_nothing_else():
    page = (FOLDER / "report.html").read_text(encoding="utf-8")
    assert "normalised" in page
    assert 'src="http' not in page
