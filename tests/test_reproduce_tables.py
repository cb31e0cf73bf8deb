"""The published table beside one's own: figures, differences, what qualified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_results import WAYS as MADE
from made_results import MadeResults
from taujp.evaluate.results import Unqualified
from taujp.report.published import TASKS as EIGHT
from taujp.reproduce.tables import addition_lines, negation_lines, others_kept


def eight(label, seed):
    return MadeResults(MADE[label], seed, EIGHT)


def test_published_and_measured_stand_side_by_side_with_their_difference():
    point = eight("linear + tauJp", 0).addition()
    one_shot = replace(point.one_shot, absolute=0.852, normalised=0.972)
    results = {"linear + tauJp": [replace(point, one_shot=one_shot)]}
    table = addition_lines("ViT-B-32:openai", results)
    (line,) = (line for line in table.splitlines() if line.startswith("linear + tauJp, one-shot"))
    cells = line.removeprefix("linear + tauJp, one-shot").split()
    assert cells == ["84.2", "85.2", "+1.0", "97.2", "97.2", "+0.0", "1"]
    assert "47.3" in table
    assert "84.2" not in addition_lines("demo", results)


def test_several_seeds_are_a_mean_and_a_spread():
    results = {"linear": [eight("linear", seed).addition() for seed in (0, 1)]}
    table = addition_lines("ViT-B-32:openai", results)
    (line,) = (line for line in table.splitlines() if line.startswith("linear, tuned"))
    assert line.count("±") == 2
    values = [one.chosen.absolute for one in results["linear"]]
    assert f"{100 * (sum(values) / 2 - 0.743):+.1f}".replace("-", "−") in line


def test_the_negation_table_counts_what_qualified():
    made = MadeResults(MADE["linear + tauJp"], 0)
    results = [made.negation(target) for target in made.names]
    failed = Unqualified(0.8, results[0].validation[0])
    table = negation_lines(
        "demo", {"linear + tauJp": [[replace(results[0], chosen=failed), *results[1:]]]}
    )
    one_shot, tuned = (line.split() for line in table.splitlines()[-2:])
    assert (one_shot[-1], tuned[-1]) == ("4", "3")
    nothing = [[replace(one, chosen=failed) for one in results]]
    assert negation_lines("demo", {"linear": nothing}).splitlines()[-1].split() == [
        "linear,", "tuned", "0",
    ]  # fmt: skip


def test_what_the_others_keep_is_a_mean_of_shares():
    made = MadeResults(MADE["linear"], 0)
    result = made.negation("digits")
    before = {"a": made.scores(0.5), "b": made.scores(0.8)}
    after = {"a": made.scores(0.4), "b": made.scores(0.8)}
    point = replace(result.one_shot, others=after)
    result = replace(result, before=replace(result.before, others=before))
    assert others_kept(point, result) == pytest.approx((0.8 + 1.0) / 2)
