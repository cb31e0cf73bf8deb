"""Typed results of the protocols; accuracies are in [0, 1]. result_files.py keeps them on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SingleTask:
    """One task's accuracy before and after its own fine-tuning, on both splits."""

    task: str
    zero_shot_validation: float
    zero_shot_test: float
    finetuned_validation: float
    finetuned_test: float


@dataclass(frozen=True)
class AdditionPoint:
    """One merged model on one split: every task's accuracy, their mean, and the mean of
    accuracy / fine-tuned accuracy on the same split."""

    coefficient: float
    accuracy: Mapping[str, float]
    absolute: float
    normalised: float


@dataclass(frozen=True)
class Addition:
    """`validation` holds all coefficients; `chosen` (best normalised there) and `one_shot`
    (coefficient 1, nothing chosen) are on test. `mode` is how the models were fine-tuned."""

    method: str
    options: Mapping[str, Any]
    tasks: tuple[SingleTask, ...]
    validation: tuple[AdditionPoint, ...]
    chosen: AdditionPoint
    one_shot: AdditionPoint
    mode: str = "standard"


@dataclass(frozen=True)
class NegationPoint:
    """theta0 - coefficient * tau on one split: accuracy of the task to forget and the control."""

    coefficient: float
    target: float
    control: float


@dataclass(frozen=True)
class Unqualified:
    """No coefficient kept the control: what was asked, and the closest on validation."""

    needed_control: float
    closest: NegationPoint


@dataclass(frozen=True)
class Negation:
    """`validation` holds all coefficients; `before` and `chosen` are on test. `mode` is how the
    model was fine-tuned."""

    target: str
    control: str
    rule: str
    keep: float
    validation: tuple[NegationPoint, ...]
    before: NegationPoint
    chosen: NegationPoint | Unqualified
    mode: str = "standard"
