"""Task addition: coefficients chosen on validation, reported on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tqdm import tqdm

from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.merged import MergedModels, Split
from taujp.evaluate.results import Addition, AdditionPoint, SingleTask
from taujp.evaluate.schemes import Scheme, best, tried_points
from taujp.evaluate.single_task import check_names, single_task
from taujp.evaluate.task_scores import Scores
from taujp.train.prepare import PreparedTask

COEFFICIENTS = tuple(step / 20 for step in range(21))


def addition(
    models: MergedModels,
    tasks: Sequence[PreparedTask],
    *,
    coefficients: Sequence[float] = COEFFICIENTS,
    scheme: Scheme = "common",
    rounds: int = 1,
    progress: bool = False,
) -> Addition:
    """Evaluates theta0 + sum_t c_t tau_t for many c on validation, and two of them on test.

    models: of `merged_models`. The coefficients with the best mean normalised accuracy on
    validation are reported on test, beside one-shot (all 1), where nothing is chosen.
    scheme: one coefficient for all tasks ("common"), one a task, or one a layer; see schemes.py.
    Ordinary models are edited in place, each split's images loaded once a sweep; linearised ones
    need one pass over each data set for all coefficients. ValueError for names of tasks and
    checkpoints that differ, and for a fine-tuned accuracy of 0.
    Source: Ilharco et al. 2023, "Editing models with task arithmetic".
    """
    if not coefficients:
        raise ValueError("addition: coefficients is empty; expected at least one number")
    check_names(models.names, tasks, operation="addition")
    single = single_task(models, tasks).tasks

    def measure(split: Split, rows: Sequence[Coefficients]) -> list[AdditionPoint]:
        return _points(models, tasks, single, rows, split, progress)

    names = [task.name for task in tasks]
    tried = tried_points(
        scheme,
        names,
        models.layers if scheme == "layer" else (),
        coefficients,
        lambda rows: measure("validation", rows),
        rounds=rounds,
    )
    ones: Coefficients = dict.fromkeys(names, 1.0)
    chosen, one_shot = measure("test", [best(tried).coefficients, ones])
    return Addition(
        models.mode, models.method, models.options, scheme, single, tuple(tried), chosen, one_shot
    )


def _points(
    models: MergedModels,
    tasks: Sequence[PreparedTask],
    single: Sequence[SingleTask],
    rows: Sequence[Coefficients],
    split: Split,
    progress: bool,
) -> list[AdditionPoint]:
    """Every row's point on one split; the other split is not looked at."""
    bar = tqdm(tasks, desc=f"addition, {split}", disable=not progress, leave=False)
    by_task = {task.name: models.scores(rows, task, split) for task in bar}
    reference = {one.task: getattr(one, f"finetuned_{split}").accuracy for one in single}
    return [
        addition_point(row, {name: found[index] for name, found in by_task.items()}, reference)
        for index, row in enumerate(rows)
    ]


def addition_point(
    row: Coefficients, scores: Mapping[str, Scores], reference: Mapping[str, float]
) -> AdditionPoint:
    """One merged model's means; `reference`: each task's own fine-tuned accuracy, same split."""
    absolute = sum(one.accuracy for one in scores.values()) / len(scores)
    return AdditionPoint(row, scores, absolute, normalised_mean(scores, reference))


def normalised_mean(scores: Mapping[str, Scores], reference: Mapping[str, float]) -> float:
    """The mean over tasks of accuracy / fine-tuned accuracy."""
    # A fine-tuned model that gets nothing right has no normalised accuracy; 0 / 0 would hide it.
    zero = [name for name in scores if not reference[name] > 0]
    if zero:
        raise ValueError(
            f"addition: the fine-tuned accuracy of {zero} is 0; expected more, since accuracies "
            "are divided by it; check these checkpoints"
        )
    return sum(one.accuracy / reference[name] for name, one in scores.items()) / len(scores)
