"""Twins of taujp.evaluate.metrics in Python's own floats, one prediction at a time.

Rows are lists of a number for each class; nothing here is shared with what it checks.
"""

from __future__ import annotations

import math
from itertools import groupby


def softmax(row: list[float]) -> list[float]:
    """Probabilities of one row of logits; -inf has the probability 0."""
    highest = max(row)
    weights = [math.exp(value - highest) for value in row]
    whole = math.fsum(weights)
    return [weight / whole for weight in weights]


def negative_log_likelihood(rows: list[list[float]], labels: list[int]) -> float:
    """mean of log(sum_j exp z_j) - z_label."""
    losses = []
    for row, label in zip(rows, labels, strict=True):
        highest = max(row)
        whole = math.fsum(math.exp(value - highest) for value in row)
        losses.append(math.log(whole) + highest - row[label])
    return math.fsum(losses) / len(losses)


def accuracy(rows: list[list[float]], labels: list[int]) -> float:
    """The share of rows whose first largest number is at the label."""
    right = sum(row.index(max(row)) == label for row, label in zip(rows, labels, strict=True))
    return right / len(rows)


def reliability(
    rows: list[list[float]], labels: list[int], bins: int
) -> list[tuple[int, float, float]]:
    """(count, mean confidence, accuracy) of each bin [b / bins, (b + 1) / bins); 1 in the last."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for row, label in zip(rows, labels, strict=True):
        confidence = max(row)
        place = next(b for b in reversed(range(bins)) if b == 0 or confidence >= b / bins)
        members[place].append((confidence, row.index(confidence) == label))
    return [_summary(each) for each in members]


def _summary(members: list[tuple[float, bool]]) -> tuple[int, float, float]:
    if not members:
        return 0, 0.0, 0.0
    count = len(members)
    sure = math.fsum(confidence for confidence, _ in members) / count
    return count, sure, sum(right for _, right in members) / count


def expected_calibration_error(rows: list[list[float]], labels: list[int], bins: int) -> float:
    """sum over bins of count / n * |accuracy - confidence|."""
    found = reliability(rows, labels, bins)
    return math.fsum(count * abs(right - sure) for count, sure, right in found) / len(rows)


def adaptive_calibration_error(rows: list[list[float]], labels: list[int], ranges: int) -> float:
    """1 / (K R) * sum of |share of the label - mean probability| over classes and ranges."""
    count, classes = len(rows), len(rows[0])
    ranges = min(ranges, count)
    gaps = []
    for label in range(classes):
        pairs = _shared([row[label] for row in rows], [one == label for one in labels])
        for r in range(ranges):
            part = pairs[r * count // ranges : (r + 1) * count // ranges]
            sure = math.fsum(probability for probability, _ in part) / len(part)
            gaps.append(abs(math.fsum(share for _, share in part) / len(part) - sure))
    return math.fsum(gaps) / (classes * ranges)


def _shared(probabilities: list[float], hits: list[bool]) -> list[tuple[float, float]]:
    """Sorted (probability, share of a hit): equal probabilities have equal shares."""
    ordered = sorted(zip(probabilities, hits, strict=True))
    pairs: list[tuple[float, float]] = []
    for probability, group in groupby(ordered, key=lambda pair: pair[0]):
        found = [hit for _, hit in group]
        pairs += [(probability, sum(found) / len(found))] * len(found)
    return pairs
