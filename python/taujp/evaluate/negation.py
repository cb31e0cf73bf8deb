"""Task negation: forget one task by subtracting its vector, keep a control task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from taujp.evaluate.addition import COEFFICIENTS
from taujp.evaluate.merged import MergedModels, Split, merged_models
from taujp.evaluate.results import Negation, NegationPoint, Unqualified
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

    `finetuned`: the target's checkpoint, or MergedModels that hold it under the target's name;
    a linearised model is evaluated at every c from one pass over each data set.
    A coefficient qualifies when the control keeps at least `keep` of the pre-trained model's
    accuracy. rule: of those, "largest" takes the largest (Ilharco et al. 2023), "least_target" the
    one with the lowest accuracy on the target (their code). Coefficient 0, the model as it was,
    is no answer; when nothing else qualifies the result says so with an `Unqualified`.
    """
    _check(coefficients, rule)
    models = merged_models(
        model,
        finetuned if isinstance(finetuned, MergedModels) else {target.name: finetuned},
        method=method,
        merges_at_once=merges_at_once,
        workers=workers,
        **options,
    )
    needed = keep * models.pretrained(control, "validation")
    validation = _points(models, target, control, coefficients, "validation")
    chosen = _choose(validation, needed, rule)
    before = NegationPoint(
        0.0, models.pretrained(target, "test"), models.pretrained(control, "test")
    )
    outcome = chosen
    if isinstance(chosen, NegationPoint):
        outcome = _points(models, target, control, [chosen.coefficient], "test")[0]
    return Negation(target.name, control.name, rule, keep, validation, before, outcome, models.mode)


def _check(coefficients: Sequence[float], rule: str) -> None:
    if not any(value > 0 for value in coefficients):
        raise ValueError(
            f"negation: coefficients are {list(coefficients)}; expected at least one above 0; "
            "they are subtracted, so give them without a minus sign"
        )
    if rule not in ("largest", "least_target"):
        raise ValueError(f"negation: rule is {rule!r}; expected 'largest' or 'least_target'")


def _points(
    models: MergedModels,
    target: PreparedTask,
    control: PreparedTask,
    coefficients: Sequence[float],
    split: Split,
) -> tuple[NegationPoint, ...]:
    """Every coefficient's point on one split; the other split is not looked at."""
    rows = [{target.name: -coefficient} for coefficient in coefficients]
    each = models.sums(rows, (target, control), split)
    return tuple(
        NegationPoint(coefficient, found[target.name], found[control.name])
        for coefficient, found in zip(coefficients, each, strict=True)
    )


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
