"""Task negation: forget one task by subtracting its vector, keep a control task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from taujp.evaluate.accuracy import accuracy
from taujp.evaluate.addition import COEFFICIENTS, Split, merged_states
from taujp.evaluate.results import Negation, NegationPoint, Unqualified
from taujp.train.encoder import encoder_weights
from taujp.train.prepare import PreparedTask

Rule = Literal["largest", "least_target"]


def negation(
    model: Any,
    finetuned: Any,
    target: PreparedTask,
    control: PreparedTask,
    *,
    coefficients: Sequence[float] = COEFFICIENTS,
    keep: float = 0.95,
    rule: Rule = "least_target",
    method: str = "task_arithmetic",
    merges_at_once: int | None = None,
    workers: int = 0,
    **options: Any,
) -> Negation:
    """Evaluates theta0 - c * tau for every c on validation and the chosen one on test.

    A coefficient qualifies when the control keeps at least `keep` of the pre-trained model's
    accuracy. rule: of those, "largest" takes the largest (Ilharco et al. 2023), "least_target" the
    one with the lowest accuracy on the target (their code). Coefficient 0, the model as it was,
    is no answer; when nothing else qualifies the result says so with an `Unqualified`.
    """
    _check(coefficients, rule)

    def points(values: Sequence[float], split: Split) -> tuple[NegationPoint, ...]:
        signed = [-value for value in values]
        states = merged_states(
            model, [finetuned], signed, at_once=merges_at_once, method=method, **options
        )
        found = []
        for value, state in zip(values, states, strict=True):
            with encoder_weights(model, state):
                found.append(_point(model, value, target, control, split, workers))
        return tuple(found)

    needed = keep * accuracy(model, control.head, control.splits.validation, workers=workers)
    validation = points(coefficients, "validation")
    chosen = _choose(validation, needed, rule)
    before = _point(model, 0.0, target, control, "test", workers)
    outcome = chosen
    if isinstance(chosen, NegationPoint):
        outcome = points([chosen.coefficient], "test")[0]
    return Negation(target.name, control.name, rule, keep, validation, before, outcome)


def _check(coefficients: Sequence[float], rule: str) -> None:
    if not any(value > 0 for value in coefficients):
        raise ValueError(
            f"negation: coefficients are {list(coefficients)}; expected at least one above 0; "
            "they are subtracted, so give them without a minus sign"
        )
    if rule not in ("largest", "least_target"):
        raise ValueError(f"negation: rule is {rule!r}; expected 'largest' or 'least_target'")


def _point(
    model: Any,
    coefficient: float,
    target: PreparedTask,
    control: PreparedTask,
    split: Split,
    workers: int,
) -> NegationPoint:
    target_accuracy, control_accuracy = (
        accuracy(model, task.head, getattr(task.splits, split), workers=workers)
        for task in (target, control)
    )
    return NegationPoint(coefficient, target_accuracy, control_accuracy)


def _choose(
    points: Sequence[NegationPoint], needed: float, rule: Rule
) -> NegationPoint | Unqualified:
    negated = [point for point in points if point.coefficient > 0]
    qualified = [point for point in negated if point.control >= needed]
    if not qualified:
        return Unqualified(needed, max(negated, key=lambda point: point.control))
    if rule == "largest":
        return max(qualified, key=lambda point: point.coefficient)
    return min(qualified, key=lambda point: (point.target, point.coefficient))
