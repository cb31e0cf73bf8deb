"""Accuracy, ECE, ACE and NLL against their twin, against torchmetrics, and by their properties."""

from __future__ import annotations

import math
import random

import pytest
import torch

import reference_calibration as twin
from taujp.evaluate.metrics import (
    adaptive_calibration_error,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_bins,
    scores,
)

CASES = 10_000
CLOSE = 1e-6


def rows_of_probabilities(draw: random.Random) -> list[list[float]]:
    """Of every kind that is hard: on the edges of bins, equal to one another, 0 and 1."""
    count, classes = draw.randint(1, 30), draw.randint(1, 5)
    kind = draw.choice(["even", "edges", "sure", "one value", "never sure"])
    return [[one_probability(kind, draw) for _ in range(classes)] for _ in range(count)]


def one_probability(kind: str, draw: random.Random) -> float:
    if kind == "edges":
        steps = draw.choice([1, 2, 5, 15])
        return draw.randint(0, steps) / steps
    if kind == "sure":
        return draw.choice([0.0, 1.0, 1.0 - 2**-53, draw.random()])
    return {"even": draw.random(), "one value": 0.2, "never sure": draw.random() / 7}[kind]


def rows_of_logits(draw: random.Random) -> list[list[float]]:
    """Ordinary ones, saturated ones (probabilities of exactly 0 and 1), equal ones, -inf."""
    count, classes = draw.randint(1, 30), draw.randint(1, 5)
    kind = draw.choice(["ordinary", "saturated", "equal", "two classes", "masked"])
    if kind == "equal":
        return [[draw.gauss(0, 3)] * classes for _ in range(count)]
    if kind == "two classes":
        return [[float(draw.randint(-2, 2)), 0.0] for _ in range(count)]
    width = 2000.0 if kind == "saturated" else 3.0
    rows = [[draw.gauss(0, width) for _ in range(classes)] for _ in range(count)]
    if kind == "masked":
        rows = [[*row, -math.inf] for row in rows]
    return rows


def labels_of(rows: list[list[float]], draw: random.Random) -> list[int]:
    """Random, or right for most rows, or all of one class."""
    classes, kind = len(rows[0]), draw.choice(["random", "mostly right", "one class"])
    if kind == "one class":
        return [draw.randrange(classes)] * len(rows)
    return [
        row.index(max(row))
        if kind == "mostly right" and draw.random() < 0.8
        else draw.randrange(classes)
        for row in rows
    ]


def test_calibration_errors_equal_their_twin_on_hard_probabilities():
    for case in range(CASES // 2):
        draw = random.Random(case)
        rows = rows_of_probabilities(draw)
        labels, bins = labels_of(rows, draw), draw.choice([1, 2, 7, 15, 15, 50])
        given = torch.tensor(rows, dtype=torch.float64), torch.tensor(labels)
        expected = twin.expected_calibration_error(rows, labels, bins)
        assert abs(expected_calibration_error(*given, bins=bins) - expected) < CLOSE, case
        expected = twin.adaptive_calibration_error(rows, labels, bins)
        assert abs(adaptive_calibration_error(*given, ranges=bins) - expected) < CLOSE, case


def test_scores_equal_their_twin_on_hard_logits():
    for case in range(CASES // 2):
        draw = random.Random(case)
        rows = rows_of_logits(draw)
        labels, bins = labels_of(rows, draw), draw.choice([1, 7, 15, 15])
        found = scores(torch.tensor(rows, dtype=torch.float64), torch.tensor(labels), bins=bins)
        probabilities = [twin.softmax(row) for row in rows]
        expected = {
            "accuracy": twin.accuracy(rows, labels),
            "ece": twin.expected_calibration_error(probabilities, labels, bins),
            "ace": twin.adaptive_calibration_error(probabilities, labels, bins),
            "nll": twin.negative_log_likelihood(rows, labels),
        }
        for name, value in expected.items():
            near = math.isclose(getattr(found, name), value, rel_tol=CLOSE, abs_tol=CLOSE)
            assert near, (case, name, found, value)
        assert found.count == len(rows)


@pytest.mark.parametrize("seed", range(20))
def test_reliability_bins_equal_their_twin_and_give_the_ece(seed):
    draw = random.Random(seed)
    rows = rows_of_probabilities(draw)
    labels = labels_of(rows, draw)
    given = torch.tensor(rows, dtype=torch.float64), torch.tensor(labels)
    found = reliability_bins(*given)
    for one, (count, sure, right) in zip(found, twin.reliability(rows, labels, 15), strict=True):
        assert one.count == count
        assert (one.confidence, one.accuracy) == pytest.approx((sure, right), abs=CLOSE)
    weighted = sum(one.count * abs(one.accuracy - one.confidence) for one in found) / len(rows)
    assert expected_calibration_error(*given) == pytest.approx(weighted, abs=1e-12)


def test_every_part_of_many_classes_counts(monkeypatch):
    """The classes are sorted in parts: a small part gives what one large part does."""
    probabilities = torch.randn(50, 23, generator=torch.Generator().manual_seed(0)).softmax(-1)
    labels = torch.arange(50) % 23
    whole = adaptive_calibration_error(probabilities, labels)
    monkeypatch.setattr("taujp.evaluate.metrics.SORTED_AT_ONCE", 50 * 4)
    assert adaptive_calibration_error(probabilities, labels) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("make", [expected_calibration_error, adaptive_calibration_error])
def test_the_order_of_the_data_does_not_matter(make):
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randint(0, 4, (60, 5), generator=generator) / 15
    labels = torch.randint(0, 5, (60,), generator=generator)
    order = torch.randperm(60, generator=generator)
    shuffled = make(probabilities[order], labels[order])
    assert make(probabilities, labels) == pytest.approx(shuffled, abs=1e-12)


def test_a_classifier_that_says_the_base_rate_is_calibrated():
    """Two classes, three of four are the first, and it says so of every one."""
    probabilities, labels = torch.tensor([[0.75, 0.25]]).expand(60, 2), torch.arange(60) % 4 // 3
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0, abs=1e-12)
    assert adaptive_calibration_error(probabilities, labels) == pytest.approx(0, abs=1e-12)


def test_confidence_one_is_in_the_last_bin():
    bins = reliability_bins(torch.eye(3), torch.tensor([0, 1, 1]))
    assert [one.count for one in bins] == [0] * 14 + [3]
    assert bins[-1].confidence == 1.0
    assert bins[-1].accuracy == pytest.approx(2 / 3)


def test_torchmetrics_agrees_where_no_confidence_is_one():
    """Theirs (1.9) gives a confidence of exactly 1 a bin of its own, past the last."""
    functional = pytest.importorskip("torchmetrics.functional.classification")
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(200, 4, generator=generator, dtype=torch.float64)
        labels = torch.randint(0, 4, (200,), generator=generator)
        probabilities = logits.softmax(-1)
        theirs = functional.multiclass_calibration_error(probabilities, labels, 4, n_bins=15)
        assert expected_calibration_error(probabilities, labels) == pytest.approx(
            theirs.item(), abs=1e-6
        )
        right = functional.multiclass_accuracy(logits, labels, 4, average="micro").item()
        assert scores(logits, labels).accuracy == pytest.approx(right, abs=1e-6)


def test_torch_agrees_on_the_loss():
    logits = torch.randn(64, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(64) % 9
    expected = torch.nn.functional.cross_entropy(logits, labels).item()
    assert negative_log_likelihood(logits, labels) == pytest.approx(expected, rel=1e-12)


def test_a_true_label_of_probability_zero_has_an_infinite_loss():
    logits = torch.tensor([[0.0, -math.inf], [0.0, 1.0]])
    assert scores(logits, torch.tensor([1, 1])).nll == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_computed_in_float64(dtype):
    logits = (torch.randn(80, 3, generator=torch.Generator().manual_seed(1)) * 3).to(dtype)
    labels = torch.arange(80, dtype=torch.int32) % 3
    assert scores(logits, labels) == scores(logits.double(), labels.long())


FAULTY = {
    "NaN": (torch.tensor([[0.0, 1.0], [math.nan, 0.0]]), torch.tensor([0, 1]), "first is row 1"),
    "inf": (torch.tensor([[math.inf, 1.0]]), torch.tensor([0]), "no softmax"),
    "nothing but -inf": (torch.full((1, 2), -math.inf), torch.tensor([0]), "no softmax"),
    "no rows": (torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), "above 0"),
    "no classes": (torch.zeros(3, 0), torch.zeros(3, dtype=torch.long), "above 0"),
    "too few labels": (torch.zeros(3, 2), torch.zeros(2, dtype=torch.long), r"\(2,\)"),
    "an unknown label": (torch.zeros(2, 2), torch.tensor([0, 2]), r"whole numbers in \[0, 2\)"),
    "a label below 0": (torch.zeros(2, 2), torch.tensor([0, -1]), r"from -1 to 0"),
    "labels with a point": (torch.zeros(2, 2), torch.zeros(2), "float32"),
}


@pytest.mark.parametrize(("logits", "labels", "told"), FAULTY.values(), ids=FAULTY)
def test_what_cannot_be_scored_is_an_error(logits, labels, told):
    with pytest.raises(ValueError, match=told):
        scores(logits, labels)


@pytest.mark.parametrize("value", [1.1, -0.1, math.nan])
def test_what_is_no_probability_is_an_error(value):
    for make in (expected_calibration_error, adaptive_calibration_error, reliability_bins):
        with pytest.raises(ValueError, match="softmax of logits"):
            make(torch.tensor([[value, 0.5]]), torch.tensor([0]))


def test_no_bins_is_an_error():
    with pytest.raises(ValueError, match="bins is 0"):
        expected_calibration_error(torch.ones(1, 1), torch.tensor([0]), bins=0)
    with pytest.raises(ValueError, match="ranges is 0"):
        adaptive_calibration_error(torch.ones(1, 1), torch.tensor([0]), ranges=0)
