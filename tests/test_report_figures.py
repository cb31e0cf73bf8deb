"""What the page's numbers are made of: labels, spreads, ranks, pooled bins, means over seeds."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from made_protocols import interference, subsets
from made_records import provenance, write_records
from made_results import TASKS, WAYS, MadeResults
from taujp.evaluate.pair_results import Disentanglement, Interference
from taujp.evaluate.record import Record
from taujp.evaluate.result_files import load_records
from taujp.evaluate.results import Addition
from taujp.evaluate.task_scores import Bin, Scores
from taujp.report.labels import in_order, label_of
from taujp.report.rank_correlation import rank_correlation
from taujp.report.reliability import pool
from taujp.report.runs import grouped, runs_by_model
from taujp.report.sections.causal import SECTION as CAUSAL
from taujp.report.sections.disentanglement import SECTION as MAPS
from taujp.report.sections.interference import SECTION as MATRICES
from taujp.report.sections.negation import SECTION as NEGATION
from taujp.report.sections.provenance import cautions
from taujp.report.sections.seeds import SECTION as SEEDS
from taujp.report.spread import number_spread, percent_spread, signed_points

MADE = MadeResults(WAYS["linear"], 0)


def record(result, way="linear", seed=0) -> Record:
    kind = type(result).__name__
    return Record("taujp.result/1", kind, result, provenance("demo", way, seed, kind, TASKS))


def runs_of(*records: Record):
    (runs,) = runs_by_model({Path(f"{i}.json"): one for i, one in enumerate(records)})
    return runs


def test_a_label_says_what_is_unusual():
    assert label_of(record(MADE.addition())) == "linear"
    ties = replace(MADE.addition("ties"), options={"density": 0.2}, scheme="task")
    assert label_of(record(ties)) == "linear, ties (density 0.2), a coefficient a task"
    random_vector = replace(MADE.negation(vector="random"), rule="least_target")
    expected = "linear, random vector, rule of least target accuracy"
    assert label_of(record(random_vector)) == expected
    assert label_of(record(MADE.single("jointly"))) == "linear, trained jointly"
    post_hoc = record(replace(MADE.single(), mode="post-hoc"))
    unnamed = replace(post_hoc, provenance=replace(post_hoc.provenance, way=""))
    assert label_of(unnamed) == "non-linear, post-hoc linearised"


def test_published_ways_come_first_and_variants_after_their_way():
    labels = ["mine", "linear, ties", "linear + tauJp", "linear", "non-linear", "mine, ties"]
    assert in_order(labels) == [
        "non-linear", "linear", "linear, ties", "linear + tauJp", "mine", "mine, ties"
    ]  # fmt: skip


def test_spreads_in_words():
    assert percent_spread([0.8, 0.9]) == "85.0 ± 7.1"
    assert percent_spread([0.8]) == percent_spread([0.8, 0.8]) == "80.0"
    assert percent_spread([]) == percent_spread([None]) == "–"
    assert number_spread([1.0, 2.0, 3.0], 2) == "2.00 ± 1.00"
    assert signed_points(-0.0123) == "−1.2"
    assert signed_points(0.2) == "+20.0"


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlation_is_spearmans(ties):
    numbers = random.Random(1)
    for _ in range(50):
        count = numbers.randrange(3, 30)
        digits = 0 if ties else 9
        a = [round(5 * numbers.random(), digits) for _ in range(count)]
        b = [round(value + 2 * numbers.random(), digits) for value in a]
        expected = spearmanr(a, b).statistic
        found = rank_correlation(a, b)
        if found is None:
            assert expected != expected  # NaN: one list is constant
        else:
            assert found == pytest.approx(expected, abs=1e-12)
    assert rank_correlation([1, 2], [1, 2]) is None


def test_pooled_bins_are_those_of_all_predictions_together():
    first = Scores(0.5, 4, reliability=(Bin(0, 0.0, 0.0), Bin(4, 0.8, 0.5)))
    second = Scores(1.0, 1, reliability=(Bin(1, 0.3, 1.0), Bin(0, 0.0, 0.0)))
    third = Scores(0.0, 12, reliability=(Bin(0, 0.0, 0.0), Bin(12, 0.6, 0.25)))
    low, high = pool([first, second, third, Scores(0.1, 5)])
    assert low == Bin(1, 0.3, 1.0)
    assert high.count == 16
    assert (high.confidence, high.accuracy) == pytest.approx((0.65, 0.3125))
    assert pool([Scores(0.1, 5)]) == ()


def test_runs_are_grouped_by_model_way_and_seed(tmp_path):
    write_records(tmp_path, seeds=(1, 0), kinds=["addition", "subsets"])
    write_records(tmp_path / "b", model="other", kinds=["addition"], ways={"mine": WAYS["linear"]})
    (demo, other) = sorted(runs_by_model(load_records([tmp_path])), key=lambda runs: runs.model)
    assert (demo.model, other.model) == ("demo", "other")
    assert demo.labels == list(WAYS)
    assert demo.seeds() == [0, 1]
    found = demo.of(Addition)
    assert list(found) == list(WAYS)
    assert found["linear"][0] == MadeResults(WAYS["linear"], 0).addition()
    assert other.labels == ["mine"]


def test_the_same_result_twice_would_count_twice_and_is_refused():
    with pytest.raises(ValueError, match=r"'0.json' and '1.json'.*model demo, seed 0.*leave one"):
        runs_of(record(MADE.addition()), record(MADE.addition()))
    runs_of(record(MADE.negation("letters")), record(MADE.negation("digits")))


def test_other_tasks_are_not_averaged_with_these():
    few = MadeResults(WAYS["linear"], 0, TASKS[:2])
    runs = runs_of(record(MADE.addition()), record(few.addition()))
    groups = grouped(runs.of(Addition), lambda one: len(one.tasks))
    assert {key: len(found["linear"]) for key, found in groups.items()} == {4: 1, 2: 1}


def test_matrices_and_maps_are_means_over_seeds():
    made = [MadeResults(WAYS["linear"], seed) for seed in (0, 1)]
    both = [interference(one) for one in made]
    runs = runs_of(*(record(one, seed=i) for i, one in enumerate(both)))
    table = next(plot for plot in MATRICES.blocks(runs) if plot.name == "tau-jp-0").data
    middle = sum(one.tau_jp.values[0][1] for one in both) / 2
    assert isinstance(both[0], Interference)
    assert table.rows[0][2] == f"{middle:.3g}"
    error = Disentanglement("linear", ("a", "b"), (0.0, 1.0), ((0.0, 0.2), (0.4, 0.6)))
    twice = replace(error, errors=((0.0, 0.4), (0.4, 1.0)))
    summary, *_ = MAPS.blocks(runs_of(record(error), record(twice, seed=1)))
    assert summary.rows == [["linear", "0.800 ± 0.283", "0.375 ± 0.106", "0.375 ± 0.106"]]


def test_relative_tau_jp_is_in_units_of_the_datas_own_vector():
    result = interference(MADE)
    plots = {one.name: one for one in CAUSAL.blocks(runs_of(record(result)))[1:]}
    assert len(plots) == 4
    name, x, y = plots["relative-lost"].data.rows[0]
    assert name == f"linear: {TASKS[0]} on {TASKS[1]}"
    assert x == f"{result.tau_jp.values[0][1] / result.tau_jp.values[1][1]:.3g}"
    assert y == f"{100 * result.lost.values[0][1]:.1f}"


def test_a_seed_that_lacks_a_target_is_in_no_mean():
    seeds = [MadeResults(WAYS["linear"], seed) for seed in (0, 1)]
    first = [one.negation("letters") for one in seeds]
    second = seeds[0].negation("digits")
    table, *_, every = NEGATION.blocks(
        runs_of(record(first[0]), record(second), record(first[1], seed=1))
    )
    mean = (first[0].one_shot.target.accuracy + second.one_shot.target.accuracy) / 2
    assert table.rows[1][:2] == ["linear", percent_spread([mean])]
    both = percent_spread(one.one_shot.target.accuracy for one in first)
    assert ["linear: letters", both] in [row[:2] for row in every.rows]


def test_paired_differences_are_seed_by_seed():
    records = [
        record(MadeResults(WAYS[way], seed).addition(), way, seed)
        for way in ("linear", "linear + tauJp")
        for seed in (0, 1, 2)
    ]
    table, _, folded = SEEDS.blocks(runs_of(*records))
    one_shot = [one.result.one_shot.absolute for one in records]
    assert table.rows[0][:2] == ["absolute, one-shot: linear", f"{100 * one_shot[0]:.1f}"]
    differences = [b - a for a, b in zip(one_shot[:3], one_shot[3:], strict=True)]
    (paired,) = folded.blocks
    assert paired.rows[0][:3] == [
        "linear + tauJp − linear: absolute, one-shot", "3", signed_points(sum(differences) / 3)
    ]  # fmt: skip
    assert paired.rows[0][4] == signed_points(min(differences))
    assert SEEDS.blocks(runs_of(records[0])) == []  # one seed is no spread


def test_differences_between_runs_are_pointed_out():
    first, second = record(MADE.addition()), record(subsets(MADE))
    assert cautions(runs_of(first, second)) == []
    changed = replace(second.provenance, data={**second.provenance.data, "digits": "0"})
    (sentence,) = cautions(runs_of(first, replace(second, provenance=changed)))
    assert "differ in the data of digits" in sentence
