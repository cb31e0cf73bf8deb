"""Several ways of fine-tuning side by side: one row a method, test data, in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taujp.evaluate.results import Addition, Negation, NegationPoint, SingleTask
from taujp.report.coefficient import coefficient_text
from taujp.report.text_table import percent, text_table


def comparison_table(results: Mapping[str, Addition]) -> str:
    """Each method's own accuracy (every task by its own model), one-shot and tuned addition.

    Normalised figures are relative to the method's own accuracy, so read them beside the
    absolute ones: a method that learns its tasks badly has it easy.
    """
    _some(results, "comparison_table")
    header = ["test, %", "own", "one-shot", "normalised", "tuned", "normalised", "coefficient"]
    return text_table(header, [_added(name, result) for name, result in results.items()])


def negation_comparison_table(results: Mapping[str, Negation]) -> str:
    """Each method's accuracy on the task to forget and on the control; first the model before."""
    _some(results, "negation_comparison_table")
    first = next(iter(results.values()))
    header = ["test, %", f"{first.target} (forget)", f"{first.control} (keep)", "coefficient"]
    before = [percent(first.before.target.accuracy), percent(first.before.control.accuracy), ""]
    rows = [["pre-trained", *before]]
    rows += [_negated(name, result) for name, result in results.items()]
    return text_table(header, rows)


def own_accuracy(tasks: Sequence[SingleTask]) -> float:
    """The mean test accuracy of the tasks, each by its own fine-tuned model."""
    return sum(task.finetuned_test.accuracy for task in tasks) / len(tasks)


def zero_shot_accuracy(tasks: Sequence[SingleTask]) -> float:
    """The mean test accuracy of the tasks by the pre-trained model."""
    return sum(task.zero_shot_test.accuracy for task in tasks) / len(tasks)


def _added(name: str, result: Addition) -> list[str]:
    points = (result.one_shot, result.chosen)
    shares = [share for point in points for share in (point.absolute, point.normalised)]
    figures = [percent(share) for share in (own_accuracy(result.tasks), *shares)]
    return [name, *figures, coefficient_text(result.chosen)]


def _negated(name: str, result: Negation) -> list[str]:
    if isinstance(result.chosen, NegationPoint):
        point, coefficient = result.chosen, f"{result.chosen.coefficient:g}"
        return [
            name, percent(point.target.accuracy), percent(point.control.accuracy), coefficient
        ]  # fmt: skip
    return [name, "-", "-", f"none keeps {percent(result.keep)} % of the control"]


def _some(results: Mapping[str, object], operation: str) -> None:
    if not results:
        raise ValueError(f"{operation}: no results; expected at least one, by its method's name")
