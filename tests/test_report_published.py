"""Published figures: as printed, only for the same model, way and tasks, and the differences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_results import WAYS as MADE
from made_results import MadeResults
from taujp.evaluate.results import Unqualified
from taujp.report.beside_published import (
    addition_beside_published,
    negation_beside_published,
    published_block,
)
from taujp.report.blocks import Table, Text
from taujp.report.published import (
    CHOICES,
    MODELS,
    TASKS,
    WAYS,
    published_addition,
    published_negation,
)

LINEAR = MadeResults(MADE["linear"], 0, TASKS)


def test_figures_are_shares_of_the_printed_percentages():
    found = published_addition("ViT-L-14", "linear", "tuned")
    assert (found.absolute, found.normalised) == pytest.approx((0.858, 0.928))
    found = published_negation("ViT-B-16", "linear + tauJp", "tuned")
    assert (found.target, found.control) == pytest.approx((0.047, 0.66))


def test_the_pretrained_model_has_no_coefficient():
    for choice in CHOICES:
        found = published_addition("ViT-B-32", "pre-trained", choice)
        assert (found.absolute, found.normalised) == (0.473, None)
        assert published_negation("ViT-B-32", "pre-trained", choice).control == 0.667


def test_every_cell_is_there_and_plausible():
    for model in MODELS:
        for way in WAYS[1:]:
            one, tuned = (published_addition(model, way, choice) for choice in CHOICES)
            assert one.absolute <= tuned.absolute <= tuned.normalised <= 1
            assert published_negation(model, way, "tuned").target < 0.3
    assert published_negation("ViT-B-32", "non-linear", "one-shot") is None  # not printed


@pytest.mark.parametrize(
    ("model", "way", "tasks"),
    [
        ("demo", "linear", TASKS),
        ("ViT-B-32:laion2b_s34b_b79k", "linear", TASKS),
        ("ViT-B-32", "linear + Kronecker", TASKS),
        ("ViT-B-32", "linear", TASKS[:7]),
        ("ViT-B-32", "linear", (*TASKS, "cifar10")),
    ],
)
def test_nothing_is_known_of_other_models_ways_and_tasks(model, way, tasks):
    assert published_addition(model, way, tasks=tasks) is None
    assert published_negation(model, way, targets=tasks) is None


def test_the_order_of_tasks_and_openais_tag_do_not_matter():
    plain = published_addition("ViT-B-32", "linear")
    assert published_addition("ViT-B-32:openai", "linear", tasks=TASKS[::-1]) == plain
    assert published_negation("ViT-B-32", "linear", control="stl10") is None


def test_an_unknown_choice_is_an_error():
    with pytest.raises(ValueError, match=r"'best'; expected one of \('one-shot', 'tuned'\)"):
        published_addition("ViT-B-32", "linear", "best")


def test_differences_are_measured_minus_published():
    result = LINEAR.addition()
    found = {
        (one.choice, one.figure): one
        for one in addition_beside_published("ViT-B-32", {"linear": [result]})
    }
    one = found["one-shot", "absolute"]
    assert one.published == pytest.approx(0.554)
    assert one.difference == pytest.approx(result.one_shot.absolute - 0.554)
    assert found["tuned", "normalised"].measured == (result.chosen.normalised,)
    assert addition_beside_published("ViT-B-32", {"linear, ties": [result]}) == []


def test_negation_compares_only_seeds_with_every_target_qualified():
    each = [replace(LINEAR.negation(task), control="imagenet") for task in TASKS]
    failed = replace(each[0], chosen=Unqualified(0.6, each[0].validation[1]))
    seeds = [each, [failed, *each[1:]]]
    found = negation_beside_published("ViT-B-32", {"linear": seeds})
    assert {one.choice for one in found} == {"tuned"}  # one-shot was not printed
    assert all(len(one.measured) == 1 for one in found)
    target = next(one for one in found if one.figure == "target")
    mean = sum(one.chosen.target.accuracy for one in each) / len(each)
    assert target.measured == pytest.approx((mean,))
    assert negation_beside_published("ViT-B-32", {"linear": [each[:7]]}) == []


def test_the_block_says_so_when_nothing_was_published():
    assert isinstance(published_block([], "x"), Text)
    compared = addition_beside_published("ViT-B-32", {"linear": [LINEAR.addition()]})
    table = published_block(compared, "x")
    assert isinstance(table, Table)
    assert table.rows[0][:2] == ["linear, one-shot, absolute", "55.4"]
    assert "Yoshida" in table.note
