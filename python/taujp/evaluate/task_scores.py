"""What one model got on one data set. Shares are in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bin:
    """Predictions whose confidence lies in one range: how many, how sure, how often right."""

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Scores:
    """One model on one data set.

    accuracy: or what a task's own scorer gives. ece, ace, nll: None where the outputs are no
    logits. reliability: the bins of the ece, kept for test data.
    """

    accuracy: float
    count: int
    ece: float | None = None
    ace: float | None = None
    nll: float | None = None
    reliability: tuple[Bin, ...] = ()
