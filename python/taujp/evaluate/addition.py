"""Task addition: one coefficient for all task vectors, chosen on validation, reported on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

from taujp.evaluate.merged import MergedModels, Split, merged_models
from taujp.evaluate.results import Addition, AdditionPoint, SingleTask
from taujp.evaluate.single_task import check_names
from taujp.train.prepare import PreparedTask

COEFFICIENTS = tuple(step / 20 for step in range(21))


def sweep_addition(
    model: Any,
    finetuned: Mapping[str, Any] | MergedModels,
    tasks: Sequence[PreparedTask],
    single: Sequence[SingleTask],
    *,
    coefficients: Sequence[float] = COEFFICIENTS,
    method: str = "task_arithmetic",
    merges_at_once: int | None = None,
    workers: int = 0,
    progress: bool = True,
    **options: Any,
) -> Addition:
    """Evaluates theta0 + c * sum_t tau_t for every c on validation, and two of them on test.

    `finetuned`: {task name: checkpoint}, or MergedModels. Ordinary models: all coefficients are
    merged in one call of taujp.merge_many, from one read of the checkpoints; `method`,
    `merges_at_once` and `options` are those of MergedWeights. Linearised ones: one pass over each
    data set serves all coefficients. `single` comes from single_task on the same models.
    Source: Ilharco et al. 2023, "Editing models with task arithmetic".
    """
    if not coefficients:
        raise ValueError("sweep_addition: coefficients is empty; expected at least one number")
    models = merged_models(
        model,
        finetuned,
        method=method,
        merges_at_once=merges_at_once,
        workers=workers,
        **options,
    )
    check_names(models.names, tasks, operation="sweep_addition")
    validation = _points(models, tasks, single, coefficients, "validation", progress)
    best = max(validation, key=lambda point: point.normalised)
    chosen, one_shot = _points(models, tasks, single, (best.coefficient, 1.0), "test", progress)
    return Addition(
        models.method, models.options, tuple(single), validation, chosen, one_shot, models.mode
    )


def _points(
    models: MergedModels,
    tasks: Sequence[PreparedTask],
    single: Sequence[SingleTask],
    coefficients: Sequence[float],
    split: Split,
    progress: bool,
) -> tuple[AdditionPoint, ...]:
    """Every coefficient's point on one split; the other split is not looked at."""
    reference = {one.task: getattr(one, f"finetuned_{split}") for one in single}
    rows = [dict.fromkeys(models.names, coefficient) for coefficient in coefficients]
    found = tqdm(
        models.sums(rows, tasks, split),
        total=len(rows),
        desc=f"addition, {split}",
        disable=not progress,
        leave=False,
    )
    return tuple(
        _point(coefficient, each, reference)
        for coefficient, each in zip(coefficients, found, strict=True)
    )


def _point(
    coefficient: float, each: Mapping[str, float], reference: Mapping[str, float]
) -> AdditionPoint:
    absolute = sum(each.values()) / len(each)
    # A fine-tuned model that gets nothing right has no normalised accuracy; 0 / 0 would hide it.
    zero = [name for name in each if not reference[name] > 0]
    if zero:
        raise ValueError(
            f"sweep_addition: the fine-tuned accuracy of {zero} is 0; expected more, since "
            "accuracies are divided by it; check these checkpoints"
        )
    normalised = sum(value / reference[name] for name, value in each.items()) / len(each)
    return AdditionPoint(coefficient, dict(each), absolute, normalised)
