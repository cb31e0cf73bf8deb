"""Task negation: forget one task by subtracting its vector, keep a control task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from taujp.evaluate.addition import COEFFICIENTS
from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.merged import MergedModels
from taujp.evaluate.results import Negation, NegationPoint, Unqualified
from taujp.train.prepare import PreparedTask

Rule = Literal["largest", "least_target"]


def negation(
    models: MergedModels,
    target: PreparedTask,
    control: PreparedTask,
    *,
    others: Sequence[PreparedTask] = (),
    coefficients: Sequence[float] = COEFFICIENTS,
    keep: float = 0.95,
    rule: Rule = "least_target",
    vector: str = "task",
) -> Negation:
    """Evaluates theta0 - c * tau for every c on validation; the chosen one and c = 1 on test.

    models: of `merged_models`, with a checkpoint under the target's name. A linearised model is
    evaluated at every c from one pass over each data set.
    A coefficient qualifies when the control keeps at least `keep` of the pre-trained model's
    accuracy. rule: of those, "largest" takes the largest (Ilharco et al. 2023), "least_target" the
    one with the lowest accuracy on the target (their code). Coefficient 0, the model as it was,
    is no answer; when nothing else qualifies the result says so with an `Unqualified`.
    others: tasks that are looked at on test only, to see what else is forgotten. vector: what the
    result calls the vector (random_vector.py and gradient ascent make baselines).
    """
    _check(models, target, coefficients, rule)
    needed = keep * models.scores([{}], control, "validation")[0].accuracy
    validation = _on_validation(models, target, control, coefficients)
    chosen = _choose(validation, needed, rule)
    wanted = [0.0, 1.0, *([chosen.coefficient] if isinstance(chosen, NegationPoint) else [])]
    before, one_shot, *outcome = _on_test(models, target, control, others, wanted)
    return Negation(
        models.mode,
        models.method,
        target.name,
        control.name,
        rule,
        keep,
        validation,
        before,
        outcome[0] if outcome else chosen,
        one_shot,
        vector,
    )


def _check(
    models: MergedModels, target: PreparedTask, coefficients: Sequence[float], rule: str
) -> None:
    if not any(value > 0 for value in coefficients):
        raise ValueError(
            f"negation: coefficients are {list(coefficients)}; expected at least one above 0; "
            "they are subtracted, so give them without a minus sign"
        )
    if rule not in ("largest", "least_target"):
        raise ValueError(f"negation: rule is {rule!r}; expected 'largest' or 'least_target'")
    if target.name not in models.names:
        raise ValueError(
            f"negation: no checkpoint of '{target.name}'; there are those of {list(models.names)}"
        )


def _row(target: PreparedTask, coefficient: float) -> Coefficients:
    return {target.name: -coefficient} if coefficient else {}


def _on_validation(
    models: MergedModels,
    target: PreparedTask,
    control: PreparedTask,
    coefficients: Sequence[float],
) -> tuple[NegationPoint, ...]:
    rows = [_row(target, coefficient) for coefficient in coefficients]
    pairs = zip(
        coefficients,
        models.scores(rows, target, "validation"),
        models.scores(rows, control, "validation"),
        strict=True,
    )
    return tuple(NegationPoint(*found) for found in pairs)


def _on_test(
    models: MergedModels,
    target: PreparedTask,
    control: PreparedTask,
    others: Sequence[PreparedTask],
    coefficients: Sequence[float],
) -> tuple[NegationPoint, ...]:
    rows = [_row(target, coefficient) for coefficient in coefficients]
    of_target, of_control, *of_others = (
        models.scores(rows, task, "test") for task in (target, control, *others)
    )
    names = [task.name for task in others]
    return tuple(
        NegationPoint(
            coefficient,
            of_target[index],
            of_control[index],
            {name: found[index] for name, found in zip(names, of_others, strict=True)},
        )
        for index, coefficient in enumerate(coefficients)
    )


def _choose(
    points: Sequence[NegationPoint], needed: float, rule: Rule
) -> NegationPoint | Unqualified:
    negated = [point for point in points if point.coefficient > 0]
    qualified = [point for point in negated if point.control.accuracy >= needed]
    if not qualified:
        return Unqualified(needed, max(negated, key=lambda point: point.control.accuracy))
    if rule == "largest":
        return max(qualified, key=lambda point: point.coefficient)
    return min(qualified, key=lambda point: (point.target.accuracy, point.coefficient))
