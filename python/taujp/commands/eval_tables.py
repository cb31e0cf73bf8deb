"""A result of `taujp eval` as text: what was chosen and what it gives, in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taujp.commands.eval_calibration import calibration_table
from taujp.evaluate.calibration import Calibration
from taujp.evaluate.pair_results import Disentanglement, Interference, Matrix
from taujp.evaluate.results import (
    Addition,
    Analogy,
    Ensemble,
    Negation,
    Single,
    SingleTask,
    Subset,
    Subsets,
    Unseen,
)
from taujp.evaluate.task_scores import Scores
from taujp.report import addition_table, negation_table
from taujp.report.text_table import percent, text_table

METRICS = ("accuracy", "ece", "ace", "nll")
METRIC_TITLES = ("accuracy", "ECE", "ACE", "NLL (nats)")


def table_of(result: Any) -> str:
    """The table of any protocol's result."""
    return TABLES[type(result)](result)


def single_table(result: Single) -> str:
    """Every task before and after fine-tuning, with all metrics of test data."""
    trained = "trained jointly" if result.training == "jointly" else "fine-tuned"
    rows = [
        _metrics(f"{task.task}, {label}", scores)
        for task in result.tasks
        for label, scores in (("zero-shot", task.zero_shot_test), (trained, task.finetuned_test))
    ]
    means = [
        ["mean, zero-shot", percent(_mean([task.zero_shot_test for task in result.tasks]))],
        [f"mean, {trained}", percent(_mean([task.finetuned_test for task in result.tasks]))],
    ]
    return text_table(
        ["test, %", "accuracy", "ECE", "ACE", "NLL (nats)"],
        rows + [[*row, "", "", ""] for row in means],
    )


def analogy_table(result: Analogy) -> str:
    """d's accuracy by the analogy, beside the models that it is made of."""
    chosen = f"chosen: add {result.chosen.add:g}, shift {result.chosen.shift:g}"
    rows = [
        _metrics("pre-trained", result.zero_shot),
        _metrics(f"fine-tuned on {result.c}", result.of_c),
        _metrics("add 1, shift 1", result.one_shot.scores),
        _metrics(chosen, result.chosen.scores),
    ]
    if result.of_d is not None:
        rows.append(_metrics(f"fine-tuned on {result.d}", result.of_d))
    title = f"{result.a} : {result.b} = {result.c} : {result.d}; test, %"
    return text_table([title, *METRIC_TITLES], rows)


def subsets_table(result: Subsets) -> str:
    """Means over the subsets of every size, absolute beside normalised."""
    header = ["tasks added (test, %)", "subsets", "absolute", "normalised"]
    header += ["absolute, all tasks", "normalised, all tasks"]
    tables = [
        text_table([f"{title}: {header[0]}", *header[1:]], _by_size(subsets))
        for title, subsets in (("coefficient 1", result.one_shot), ("chosen", result.chosen))
        if subsets
    ]
    return "\n\n".join(tables)


def disentanglement_table(result: Disentanglement) -> str:
    """The error next to both vectors' coefficients 1, and over the map."""
    grid, values = result.coefficients, [value for row in result.errors for value in row]
    near = min(range(len(grid)), key=lambda index: abs(grid[index] - 1.0))
    rows = [
        [f"at coefficients {grid[near]:g} and {grid[near]:g}", percent(result.errors[near][near])],
        [f"mean over [{grid[0]:g}, {grid[-1]:g}]", percent(sum(values) / len(values))],
        ["worst", percent(max(values))],
    ]
    return text_table([f"test, % (at most 200): {' and '.join(result.tasks)}", "xi"], rows)


def interference_table(result: Interference) -> str:
    """Four matrices: a row a vector, a column a task's data."""
    titles = {
        "tauJp of the vector of, on": (result.tau_jp, "{:.3g}"),
        "cosine of the vectors of": (result.cosine, "{:.3f}"),
        "predictions changed by, on": (result.changed, "{:.1%}"),
        "accuracy lost by, on": (result.lost, "{:.1%}"),
    }
    tables = [_matrix(title, matrix, form) for title, (matrix, form) in titles.items()]
    return "\n\n".join(tables)


def unseen_table(result: Unseen) -> str:
    """Every task that was not merged, before and after."""
    rows = [
        _by_task("pre-trained", result.zero_shot),
        _by_task("merged, coefficient 1", result.one_shot),
        _by_task(f"merged, coefficient {result.coefficient:g}", result.chosen),
    ]
    title = f"{' + '.join(result.merged)} on (test, %)"
    return text_table([title, *result.zero_shot, "mean"], rows)


def ensemble_table(result: Ensemble) -> str:
    """One model of averaged weights, averaged outputs of all, and each task's own model."""
    rows = [
        _by_task("pre-trained", _of(result.tasks, "zero_shot_test")),
        _by_task("averaged weights", result.weight_average),
        _by_task(f"averaged outputs of {len(result.tasks)} models", result.output_ensemble),
        _by_task("fine-tuned, each its own", _of(result.tasks, "finetuned_test")),
    ]
    return text_table(["test, %", *result.weight_average, "mean"], rows)


TABLES: dict[type, Any] = {
    Single: single_table,
    Addition: addition_table,
    Negation: negation_table,
    Analogy: analogy_table,
    Subsets: subsets_table,
    Disentanglement: disentanglement_table,
    Interference: interference_table,
    Unseen: unseen_table,
    Ensemble: ensemble_table,
    Calibration: calibration_table,
}


def _metrics(label: str, scores: Scores) -> list[str]:
    """What a scorer of its own leaves out is empty."""
    values = [getattr(scores, name) for name in METRICS]
    shares = ["" if value is None else percent(value) for value in values[:3]]
    return [label, *shares, "" if values[3] is None else f"{values[3]:.3f}"]


def _by_task(label: str, scores: Mapping[str, Scores]) -> list[str]:
    each = [percent(one.accuracy) for one in scores.values()]
    return [label, *each, percent(_mean(list(scores.values())))]


def _of(tasks: Sequence[SingleTask], name: str) -> dict[str, Scores]:
    return {task.task: getattr(task, name) for task in tasks}


def _mean(scores: Sequence[Scores]) -> float:
    return sum(one.accuracy for one in scores) / len(scores)


def _by_size(subsets: Sequence[Subset]) -> list[list[str]]:
    rows = []
    for size in sorted({len(one.tasks) for one in subsets}):
        same = [one for one in subsets if len(one.tasks) == size]
        figures = []
        for name in ("absolute", "normalised", "all_absolute", "all_normalised"):
            values = [value for one in same if (value := getattr(one, name)) is not None]
            figures.append(percent(sum(values) / len(values)) if values else "")
        rows.append([str(size), str(len(same)), *figures])
    return rows


def _matrix(title: str, matrix: Matrix, form: str) -> str:
    rows = [
        [name, *(form.format(value) for value in values)]
        for name, values in zip(matrix.rows, matrix.values, strict=True)
    ]
    return text_table([title, *matrix.columns], rows)
