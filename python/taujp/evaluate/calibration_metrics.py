"""What metrics.py does not have: calibration in bins of equal mass, and the Brier score.

equal mass   sum over bins b of n_b / n * |accuracy_b - confidence_b|: as the ECE, but the n
             confidences, sorted, are cut at floor(b n / B). Source: Nguyen & O'Connor 2015.
top label    1 / R * sum over ranges r of |accuracy_r - confidence_r|, R ranges cut the same way:
             the ACE of the predicted label alone. Source: Nixon et al. 2019. It differs from the
             equal-mass ECE only where R does not divide n.
Brier        mean over rows of sum over classes of (p_k - [label is k])^2, in [0, 2]. Source: Brier
             1950.

Equal confidences share their right answers evenly, so the order of the data does not matter.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BINS = 15


def equal_mass_calibration_error(
    probabilities: Tensor, labels: Tensor, *, bins: int = BINS
) -> float:
    """In [0, 1], of probabilities [n, classes] and labels int64 [n]; n < bins: n bins."""
    sizes, gaps = _gaps(probabilities, labels, bins)
    return float((sizes * gaps).sum() / sizes.sum())


def top_label_calibration_error(
    probabilities: Tensor, labels: Tensor, *, ranges: int = BINS
) -> float:
    """In [0, 1], of probabilities [n, classes] and labels int64 [n]; n < ranges: n ranges."""
    return float(_gaps(probabilities, labels, ranges)[1].mean())


def brier_score(probabilities: Tensor, labels: Tensor) -> float:
    """In [0, 2], of probabilities [n, classes] and labels int64 [n]."""
    own = probabilities.double()
    squares = own.square().sum(-1)
    return float((squares + 1 - 2 * own.gather(1, labels[:, None])[:, 0]).mean())


def _gaps(
    probabilities: Tensor, labels: Tensor, parts: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The size of every part and its |accuracy - confidence|."""
    if parts < 1:
        raise ValueError(f"calibration: the number of bins is {parts}; expected at least 1")
    confidence, predicted = probabilities.double().max(-1)
    correct = (predicted == labels).double().numpy()
    order = torch.argsort(confidence).numpy()
    confidences = confidence.numpy()[order]
    right = _shared(confidences, correct[order])
    count = len(confidences)
    parts = min(parts, count)
    edges = np.array([part * count // parts for part in range(parts + 1)])
    sizes = np.diff(edges)
    difference = np.add.reduceat(right - confidences, edges[:-1])
    return sizes, np.abs(difference) / sizes


def _shared(confidences: NDArray[np.float64], correct: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each row the mean of `correct` over all rows of the same confidence."""
    _, group, counts = np.unique(confidences, return_inverse=True, return_counts=True)
    return (np.bincount(group, correct) / counts)[group]
