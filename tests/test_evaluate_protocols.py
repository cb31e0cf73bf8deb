"""Analogies, subsets, unseen tasks and ensembles against plain loops in float64, on ordinary and on
linearised models."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from taujp.evaluate import MergedTangents, MergedWeights, analogy, ensemble, subsets, unseen
from taujp.evaluate.metrics import scores
from taujp.evaluate.subsets import all_subsets
from tiny_network import (
    NAMES,
    PlainSums,
    by_name,
    other_test_labels,
    tiny_finetunes,
    tiny_network,
    tiny_tasks,
)

FEW = (0.0, 0.3, 0.7, 1.0)
MODES = ("standard", "post-hoc")


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def states(network):
    return tiny_finetunes(network)


@pytest.fixture(scope="module")
def tasks():
    return tiny_tasks()


@pytest.fixture(scope="module", params=MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def models(network, states, mode):
    kind = MergedWeights if mode == "standard" else MergedTangents
    return kind(network, states)


@pytest.fixture(scope="module")
def plain(network, states, mode):
    return PlainSums(network, states, linearised=mode == "post-hoc")


# Analogy


def test_every_point_of_an_analogy_is_the_sum_by_hand(models, plain, tasks, mode):
    (d,) = by_name(tasks, "d")
    found = analogy(models, "a", "b", "c", d, add=FEW, shift=FEW[1:])
    assert (found.mode, found.a, found.b, found.c, found.d) == (mode, "a", "b", "c", "d")
    assert [(p.add, p.shift) for p in found.validation] == [(x, y) for x in FEW for y in FEW[1:]]
    for point in found.validation:
        row = {"c": point.add, "b": point.shift, "a": -point.shift}
        assert point.scores.accuracy == plain.accuracy(row, d, "validation")


def test_an_analogy_is_chosen_on_validation_and_reported_on_test(models, plain, tasks):
    (d,) = by_name(tasks, "d")
    found = analogy(models, "a", "b", "c", d, add=FEW, shift=FEW)
    best = max(found.validation, key=lambda point: point.scores.accuracy)
    assert (found.chosen.add, found.chosen.shift) == (best.add, best.shift)
    row = {"c": best.add, "b": best.shift, "a": -best.shift}
    assert found.chosen.scores.accuracy == plain.accuracy(row, d)
    assert found.one_shot.scores.accuracy == plain.accuracy({"a": -1.0, "b": 1.0, "c": 1.0}, d)
    assert found.zero_shot.accuracy == plain.accuracy({}, d)
    assert found.of_c.accuracy == plain.accuracy({"c": 1.0}, d)
    assert found.of_d.accuracy == plain.accuracy({"d": 1.0}, d)
    unlike = analogy(models, "a", "b", "c", other_test_labels(d), add=FEW, shift=FEW)
    assert unlike.validation == found.validation
    assert (unlike.chosen.add, unlike.chosen.shift) == (found.chosen.add, found.chosen.shift)
    assert unlike.chosen.scores != found.chosen.scores


def test_an_analogy_of_a_task_to_itself_adds_its_parts_up(models, plain, tasks):
    (d,) = by_name(tasks, "d")
    found = analogy(models, "a", "b", "a", d, add=(0.5,), shift=(0.3,))
    row = {"a": 0.2, "b": 0.3}
    assert found.chosen.scores.accuracy == plain.accuracy(row, d)


def test_an_analogy_without_the_last_vector_has_none_to_compare_with(network, states, tasks):
    three = {name: states[name] for name in "abc"}
    found = analogy(MergedWeights(network, three), "a", "b", "c", tasks[3], add=(1,), shift=(1,))
    assert found.of_d is None


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("a", "x", "c"), {}, r"'b': 'x'.*\['a', 'b', 'c', 'd'\]"),
        (("a", "b", "c"), {"add": ()}, "0 coefficients to add"),
    ],
)
def test_an_analogy_says_what_is_missing(models, tasks, names, options, message):
    with pytest.raises(ValueError, match=message):
        analogy(models, *names, tasks[3], **options)


# All subsets


def test_all_subsets_are_all_of_them():
    assert all_subsets("ab") == ((), ("a",), ("b",), ("a", "b"))
    assert len(all_subsets(NAMES)) == len(set(all_subsets(NAMES))) == 16


def test_every_subset_is_the_sum_by_hand(models, plain, tasks):
    found = subsets(models, tasks)
    own = {task.name: plain.accuracy({task.name: 1.0}, task) for task in tasks}
    assert [one.tasks for one in found.one_shot] == [
        names for size in range(5) for names in combinations(NAMES, size)
    ]
    assert found.chosen == ()
    for one in found.one_shot:
        each = {task.name: plain.accuracy(dict.fromkeys(one.tasks, 1.0), task) for task in tasks}
        assert {name: s.accuracy for name, s in one.scores.items()} == each
        shares = {name: value / own[name] for name, value in each.items()}
        assert one.all_absolute == pytest.approx(sum(each.values()) / 4)
        assert one.all_normalised == pytest.approx(sum(shares.values()) / 4)
        if one.tasks:
            size = len(one.tasks)
            assert one.absolute == pytest.approx(sum(each[name] for name in one.tasks) / size)
            assert one.normalised == pytest.approx(sum(shares[name] for name in one.tasks) / size)
    assert found.one_shot[0].absolute is None
    assert found.one_shot[0].normalised is None


def test_a_subsets_coefficient_is_chosen_on_the_validation_data_of_its_tasks(models, plain, tasks):
    found = subsets(models, tasks, coefficients=FEW)

    def normalised(names, coefficient):
        shares = [
            plain.accuracy(dict.fromkeys(names, coefficient), task, "validation")
            / plain.accuracy({task.name: 1.0}, task, "validation")
            for task in by_name(tasks, *names)
        ]
        return sum(shares) / len(shares)

    for one in found.chosen:
        assert one.coefficient in FEW
        if one.tasks:
            tried = [normalised(one.tasks, c) for c in FEW]
            assert tried[FEW.index(one.coefficient)] == pytest.approx(max(tried))
        row = dict.fromkeys(one.tasks, one.coefficient)
        assert one.scores["a"].accuracy == plain.accuracy(row, tasks[0])
    unlike = subsets(models, [other_test_labels(task) for task in tasks], coefficients=FEW)
    assert [x.coefficient for x in unlike.chosen] == [x.coefficient for x in found.chosen]


def test_too_many_tasks_have_too_many_subsets(models, tasks):
    with pytest.raises(ValueError, match=r"17 tasks have 2\^17"):
        subsets(models, [tasks[0]] * 17)


# Unseen tasks


def test_unseen_tasks_have_no_part_in_the_choice(models, plain, tasks):
    merged, others = tasks[:2], tasks[2:]
    found = unseen(models, merged, others, coefficients=FEW)
    assert found.merged == ("a", "b")

    def normalised(coefficient):
        row = dict.fromkeys("ab", coefficient)
        return sum(
            plain.accuracy(row, task, "validation")
            / plain.accuracy({task.name: 1.0}, task, "validation")
            for task in merged
        )

    assert normalised(found.coefficient) == pytest.approx(max(map(normalised, FEW)))
    for row, scores_of in (
        ({}, found.zero_shot),
        (dict.fromkeys("ab", found.coefficient), found.chosen),
        (dict.fromkeys("ab", 1.0), found.one_shot),
    ):
        assert {name: one.accuracy for name, one in scores_of.items()} == {
            task.name: plain.accuracy(row, task) for task in others
        }
    unlike = unseen(models, merged, [other_test_labels(t) for t in others], coefficients=FEW)
    assert unlike.coefficient == found.coefficient


def test_an_unseen_task_is_not_merged(models, tasks):
    with pytest.raises(ValueError, match=r"\['a'\] of the 2 other"):
        unseen(models, tasks[:2], (tasks[0], tasks[2]))
    with pytest.raises(ValueError, match="none of the 0"):
        unseen(models, tasks[:2], ())


# Ensembles


def test_an_ensemble_averages_weights_and_probabilities(models, plain, tasks):
    found = ensemble(models, tasks)
    quarter = dict.fromkeys(NAMES, 0.25)
    for task in tasks:
        assert found.weight_average[task.name].accuracy == plain.accuracy(quarter, task)
        mean = sum(plain.logits({name: 1.0}, task, "test").softmax(-1) for name in NAMES) / 4
        expected = scores(mean.log(), task.splits.test.tensors[1])
        for metric in ("accuracy", "ece", "ace", "nll"):
            value = getattr(found.output_ensemble[task.name], metric)
            assert value == pytest.approx(getattr(expected, metric), abs=1e-5)


def test_an_ensemble_of_one_is_that_one(network, states, tasks):
    models = MergedWeights(network, {"a": states["a"]})
    found = ensemble(models, tasks[:1])
    own = models.own_scores("a", tasks[0], "test")
    assert found.output_ensemble["a"].accuracy == own.accuracy
    assert found.output_ensemble["a"].nll == pytest.approx(own.nll, abs=1e-6)


def test_an_ensemble_needs_logits(models, tasks):
    with pytest.raises(ValueError, match=r"\['b'\] have a scorer"):
        ensemble(models, [tasks[0], replace(tasks[1], scorer=min)])
