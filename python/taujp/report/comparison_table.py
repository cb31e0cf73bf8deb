"""Several ways of fine-tuning side by side: one row a method, test data, in percent."""

from __future__ import annotations

from collections.abc import Mapping

from taujp.evaluate.results import Addition, Negation, NegationPoint
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
    before = [percent(first.before.target), percent(first.before.control), ""]
    rows = [["pre-trained", *before]]
    rows += [_negated(name, result) for name, result in results.items()]
    return text_table(header, rows)


def own_accuracy(result: Addition) -> float:
    """The mean test accuracy of the tasks, each by its own fine-tuned model."""
    return sum(task.finetuned_test for task in result.tasks) / len(result.tasks)


def _added(name: str, result: Addition) -> list[str]:
    points = (result.one_shot, result.chosen)
    shares = [share for point in points for share in (point.absolute, point.normalised)]
    figures = [percent(share) for share in (own_accuracy(result), *shares)]
    return [name, *figures, f"{result.chosen.coefficient:g}"]


def _negated(name: str, result: Negation) -> list[str]:
    if isinstance(result.chosen, NegationPoint):
        point, coefficient = result.chosen, f"{result.chosen.coefficient:g}"
        return [name, percent(point.target), percent(point.control), coefficient]
    return [name, "-", "-", f"none keeps {percent(result.keep)} % of the control"]


def _some(results: Mapping[str, object], operation: str) -> None:
    if not results:
        raise ValueError(f"{operation}: no results; expected at least one, by its method's name")
