"""Task addition: one coefficient for all task vectors, chosen on validation, reported on test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor
from tqdm import tqdm

import taujp
from taujp.evaluate.accuracy import accuracy
from taujp.evaluate.results import Addition, AdditionPoint, SingleTask
from taujp.evaluate.single_task import check_names
from taujp.train.encoder import PREFIX, encoder_state, encoder_weights
from taujp.train.prepare import PreparedTask

COEFFICIENTS = tuple(step / 20 for step in range(21))

Split = Literal["validation", "test"]


def sweep_addition(
    model: Any,
    finetuned: Mapping[str, Any],
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

    All coefficients are merged in one call of taujp.merge_many, from one read of the checkpoints;
    `merges_at_once` bounds how many merged models are held in memory (a ViT-B-32 image encoder is
    350 MB, 21 of them 7 GB). `single` comes from single_task; `options` go to merge_many.
    Source: Ilharco et al. 2023, "Editing models with task arithmetic".
    """
    check_names(finetuned, tasks, operation="sweep_addition")
    if not coefficients:
        raise ValueError("sweep_addition: coefficients is empty; expected at least one number")

    def points(values: Sequence[float], split: Split) -> tuple[AdditionPoint, ...]:
        return _points(
            model,
            finetuned,
            tasks,
            single,
            values,
            split,
            merges_at_once=merges_at_once,
            workers=workers,
            progress=progress,
            method=method,
            **options,
        )

    validation = points(coefficients, "validation")
    best = max(validation, key=lambda point: point.normalised)
    chosen, one_shot = points((best.coefficient, 1.0), "test")
    return Addition(method, options, tuple(single), validation, chosen, one_shot)


def _points(
    model: Any,
    finetuned: Mapping[str, Any],
    tasks: Sequence[PreparedTask],
    single: Sequence[SingleTask],
    coefficients: Sequence[float],
    split: Split,
    *,
    merges_at_once: int | None,
    workers: int,
    progress: bool,
    **merge: Any,
) -> tuple[AdditionPoint, ...]:
    """Every coefficient's point on one split; the other split is not looked at."""
    reference = {one.task: getattr(one, f"finetuned_{split}") for one in single}
    checkpoints = [finetuned[task.name] for task in tasks]
    states = merged_states(model, checkpoints, coefficients, at_once=merges_at_once, **merge)
    bar = tqdm(
        total=len(coefficients), desc=f"addition, {split}", disable=not progress, leave=False
    )
    points = []
    for coefficient, state in zip(coefficients, states, strict=True):
        with encoder_weights(model, state):
            each = {
                task.name: accuracy(model, task.head, getattr(task.splits, split), workers=workers)
                for task in tasks
            }
        points.append(_point(coefficient, each, reference))
        bar.update()
    bar.close()
    return tuple(points)


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


def merged_states(
    model: Any,
    checkpoints: Sequence[Any],
    coefficients: Sequence[float],
    *,
    at_once: int | None,
    **merge: Any,
) -> Iterator[dict[str, Tensor]]:
    """theta0 + c * sum_t tau_t for one c after another, merged `at_once` of them at a time."""
    base = encoder_state(model)
    step = at_once or len(coefficients)
    for start in range(0, len(coefficients), step):
        group = coefficients[start : start + step]
        rows = [[float(coefficient)] * len(checkpoints) for coefficient in group]
        yield from taujp.merge_many(checkpoints, rows, base=base, prefix=PREFIX, **merge)
