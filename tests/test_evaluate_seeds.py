"""Figures of every kind, their spread over seeds, and ways compared seed by seed."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from statistics import fmean, stdev

import pytest

import made_protocols
from made_results import WAYS, MadeResults
from taujp.evaluate.figures import figures
from taujp.evaluate.pair_results import Disentanglement
from taujp.evaluate.record import SCHEMA, Provenance, Record
from taujp.evaluate.results import Unqualified
from taujp.evaluate.schema import kind_of
from taujp.evaluate.seeds import Paired, paired_differences, spreads
from taujp.evaluate.task_scores import Scores
from test_evaluate_records import EVERY

MADE = MadeResults(WAYS["linear"], 0)


def record(result, seed=None, way="linear"):
    return Record(SCHEMA, kind_of(result), result, Provenance(way=way, seed=seed))


def additions(way, seeds):
    return [record(MadeResults(WAYS[way], seed).addition(), seed, way) for seed in seeds]


@pytest.mark.parametrize("result", EVERY.values(), ids=EVERY)
def test_every_kind_has_figures(result):
    found = figures(result)
    assert found
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.values())


def test_what_is_no_result_has_none():
    with pytest.raises(TypeError, match="came a Scores"):
        figures(Scores(0.5, 1))


def test_addition_has_absolute_beside_normalised():
    result = MADE.addition()
    found = figures(result)
    assert found["absolute, one-shot"] == result.one_shot.absolute
    assert found["normalised, one-shot"] == result.one_shot.normalised
    assert found["absolute, tuned"] == result.chosen.absolute
    assert found["normalised, tuned"] == result.chosen.normalised
    assert found["coefficient, tuned"] == result.chosen.coefficient
    own = fmean(one.finetuned_test.accuracy for one in result.tasks)
    assert found["accuracy, fine-tuned"] == pytest.approx(own)
    losses = [one.nll for one in result.chosen.scores.values()]
    assert found["nll, tuned"] == pytest.approx(fmean(losses))


def test_figures_are_of_test_data_alone():
    """Another validation leaves every figure as it is."""
    result = MADE.addition()
    other = replace(result, validation=result.validation[:1])
    assert figures(other) == figures(result)
    negation = MADE.negation()
    assert figures(replace(negation, validation=negation.validation[:1])) == figures(negation)


def test_negation_says_what_the_other_tasks_keep():
    result = MADE.negation()
    found = figures(result)
    shares = [
        scores.accuracy / result.before.others[task].accuracy
        for task, scores in result.one_shot.others.items()
    ]
    assert found["others kept, one-shot"] == pytest.approx(fmean(shares))
    assert found["target, before"] == result.before.target.accuracy
    unqualified = figures(replace(result, chosen=Unqualified(0.9, result.one_shot)))
    assert "target, tuned" not in unqualified
    assert unqualified["target, one-shot"] == result.one_shot.target.accuracy


def test_subsets_are_told_by_size():
    result = made_protocols.subsets(MADE)
    found = figures(result)
    pairs = [one.absolute for one in result.one_shot if len(one.tasks) == 2]
    assert len(pairs) == 6
    assert found["absolute, one-shot, 2 tasks"] == pytest.approx(fmean(pairs))
    every = fmean(one.all_absolute for one in result.one_shot)
    assert found["absolute of all tasks, one-shot"] == pytest.approx(every)


def test_interference_is_told_between_tasks():
    result = made_protocols.interference(MADE)
    values = result.changed.values
    others = [values[a][b] for a in range(4) for b in range(4) if a != b]
    found = figures(result)
    assert found["changed, by other tasks"] == pytest.approx(fmean(others))
    assert found["tauJp, own data"] == pytest.approx(
        fmean(result.tau_jp.values[i][i] for i in range(4))
    )


def test_disentanglement_is_told_inside_the_unit_square():
    grid = Disentanglement(
        "linear", ("a", "b"), (-1.0, 0.0, 1.0), ((2.0,) * 3, (2.0, 0.0, 0.1), (2.0, 0.3, 0.4))
    )
    found = figures(grid)
    assert found["error, mean for coefficients in [0, 1]"] == pytest.approx(0.2)
    assert found["error, mean"] == pytest.approx(10.8 / 9)
    assert found["error, largest"] == 2.0


def test_spreads_have_every_value_in_the_order_of_seeds():
    seeds = (3, 0, 10)
    found = spreads(additions("linear", seeds))["absolute, tuned"]
    values = {seed: MadeResults(WAYS["linear"], seed).addition().chosen.absolute for seed in seeds}
    assert found.seeds == (0, 3, 10)
    assert found.values == tuple(values[seed] for seed in (0, 3, 10))
    assert found.mean == pytest.approx(fmean(values.values()))
    assert found.standard_deviation == pytest.approx(stdev(values.values()))
    assert spreads([record(MADE.single())])["accuracy, zero-shot"].standard_deviation is None


def test_a_figure_that_a_seed_lacks_has_fewer_seeds():
    negation = MADE.negation()
    failed = replace(negation, chosen=Unqualified(0.9, negation.one_shot))
    found = spreads([record(negation, 0), record(failed, 1), record(negation, 2)])
    assert found["target, tuned"].seeds == (0, 2)
    assert found["target, one-shot"].seeds == (0, 1, 2)


def test_ways_are_compared_at_the_seeds_that_both_have():
    a, b = additions("linear", range(4)), additions("linear + tauJp", (5, 3, 2, 1))
    found = paired_differences(a, b)["absolute, one-shot"]
    assert found.seeds == (1, 2, 3)
    by_seed = {one.provenance.seed: one.result.one_shot.absolute for one in b}
    expected = [by_seed[seed] - a[seed].result.one_shot.absolute for seed in (1, 2, 3)]
    assert found.differences == pytest.approx(expected)
    assert found.smallest == pytest.approx(min(expected))
    assert found.mean == pytest.approx(fmean(expected))


def test_the_interval_is_students():
    """Differences 1 to 5: mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.776445."""
    found = Paired(tuple(range(5)), (0.0,) * 5, (1.0, 2.0, 3.0, 4.0, 5.0))
    half = 2.776445105 * math.sqrt(2.5 / 5)
    assert found.interval == pytest.approx((3 - half, 3 + half), abs=1e-8)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    generator = random.Random(0)
    held = 0
    for _ in range(2000):
        draws = tuple(generator.gauss(0.3, 1.0) for _ in range(5))
        low, high = Paired(tuple(range(5)), (0.0,) * 5, draws).interval
        held += low <= 0.3 <= high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_seed_has_no_interval():
    found = Paired((None,), (0.25,), (0.5,))
    assert found.interval is None


def test_an_infinite_figure_has_no_number_for_its_spread():
    found = Paired((0, 1), (0.0, 0.0), (math.inf, 1.0))
    assert math.isnan(found.standard_deviation)
    assert found.mean == math.inf


def test_seeds_that_no_side_shares_are_an_error():
    with pytest.raises(ValueError, match=r"first side has the seeds \['0'\], the second \['1'\]"):
        paired_differences(additions("linear", [0]), additions("linear", [1]))


@pytest.mark.parametrize(
    "records",
    [additions("linear", [0, 0]), [record(MADE.single(), 0), record(MADE.addition(), 1)]],
)
def test_two_records_of_a_seed_or_two_protocols_are_an_error(records):
    with pytest.raises(ValueError, match="one protocol and every seed once"):
        spreads(records)
