"""Typed results of the protocols; result_files.py keeps them on disk. Shares are in [0, 1].

Every result names the `mode` in which its models were fine-tuned and, where models are merged, the
`method`. What is called `validation` chose the coefficients; everything else is of test data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.task_scores import Scores


@dataclass(frozen=True)
class SingleTask:
    """One task before and after its own fine-tuning, on both splits."""

    task: str
    zero_shot_validation: Scores
    zero_shot_test: Scores
    finetuned_validation: Scores
    finetuned_test: Scores


@dataclass(frozen=True)
class Single:
    """Every task by itself. `training`: "each" by its own model, or all by one trained "jointly"
    (a baseline of addition)."""

    mode: str
    tasks: tuple[SingleTask, ...]
    training: str = "each"


@dataclass(frozen=True)
class AdditionPoint:
    """One merged model on one split: every task's scores, the mean accuracy, and the mean of
    accuracy / fine-tuned accuracy on the same split."""

    coefficients: Coefficients
    scores: Mapping[str, Scores]
    absolute: float
    normalised: float

    @property
    def coefficient(self) -> float | None:
        """The one coefficient of all tasks; None where they differ."""
        values = list(self.coefficients.values())
        first = values[0] if values else 0.0
        alike = isinstance(first, int | float) and all(value == first for value in values)
        return float(first) if alike and isinstance(first, int | float) else None


@dataclass(frozen=True)
class Addition:
    """All task vectors added. `validation`: every point tried; `chosen` (best normalised there)
    and `one_shot` (all coefficients 1, nothing chosen) are on test. `scheme`: what has a
    coefficient of its own: "common", "task" or "layer"."""

    mode: str
    method: str
    options: Mapping[str, Any]
    scheme: str
    tasks: tuple[SingleTask, ...]
    validation: tuple[AdditionPoint, ...]
    chosen: AdditionPoint
    one_shot: AdditionPoint


@dataclass(frozen=True)
class NegationPoint:
    """theta0 - coefficient * vector on one split: the task to forget, the control, and (on test)
    the other tasks, which nothing is chosen by."""

    coefficient: float
    target: Scores
    control: Scores
    others: Mapping[str, Scores] = field(default_factory=dict)


@dataclass(frozen=True)
class Unqualified:
    """No coefficient kept the control: the accuracy it needed, and the closest on validation."""

    needed_control: float
    closest: NegationPoint


@dataclass(frozen=True)
class Negation:
    """One task forgotten. `before` (theta0), `chosen` and `one_shot` (coefficient 1) are on test.
    `vector`: "task", or a baseline's: "random" (same norm a layer) or "gradient ascent"."""

    mode: str
    method: str
    target: str
    control: str
    rule: str
    keep: float
    validation: tuple[NegationPoint, ...]
    before: NegationPoint
    chosen: NegationPoint | Unqualified
    one_shot: NegationPoint
    vector: str = "task"


@dataclass(frozen=True)
class AnalogyPoint:
    """theta0 + add * tau_C + shift * (tau_B - tau_A), on the data of D."""

    add: float
    shift: float
    scores: Scores


@dataclass(frozen=True)
class Analogy:
    """As b is to a, so is d to c. `chosen` (best on validation) and `one_shot` (1, 1) are on test,
    beside the pre-trained model, the one of c, and where there is one that of d itself."""

    mode: str
    a: str
    b: str
    c: str
    d: str
    validation: tuple[AnalogyPoint, ...]
    chosen: AnalogyPoint
    one_shot: AnalogyPoint
    zero_shot: Scores
    of_c: Scores
    of_d: Scores | None = None


@dataclass(frozen=True)
class Subset:
    """The vectors of `tasks` added. `absolute`, `normalised`: means over `tasks` (0 tasks: None);
    `all_absolute`, `all_normalised`: over every task, those left out included."""

    tasks: tuple[str, ...]
    coefficient: float
    scores: Mapping[str, Scores]
    absolute: float | None
    normalised: float | None
    all_absolute: float
    all_normalised: float


@dataclass(frozen=True)
class Subsets:
    """All 2^T sums, on test. `one_shot`: coefficient 1. `chosen`: each subset's own coefficient,
    chosen on validation data of its tasks; empty where not asked for."""

    mode: str
    method: str
    tasks: tuple[SingleTask, ...]
    one_shot: tuple[Subset, ...]
    chosen: tuple[Subset, ...] = ()


@dataclass(frozen=True)
class Unseen:
    """Vectors of `merged` added, with the coefficient that is best on their validation data, and
    tried on the test data of tasks that are not among them."""

    mode: str
    method: str
    merged: tuple[str, ...]
    coefficient: float
    zero_shot: Mapping[str, Scores]
    chosen: Mapping[str, Scores]
    one_shot: Mapping[str, Scores]


@dataclass(frozen=True)
class Ensemble:
    """T fine-tuned models in one, on test: their weights averaged (coefficients 1/T), and their
    probabilities averaged (T times the cost)."""

    mode: str
    tasks: tuple[SingleTask, ...]
    weight_average: Mapping[str, Scores]
    output_ensemble: Mapping[str, Scores]
