"""Results as plain-text tables, in percent."""

from __future__ import annotations

from collections.abc import Sequence

from taujp.evaluate.results import Addition, AdditionPoint, Negation, NegationPoint
from taujp.evaluate.task_scores import Scores
from taujp.report.coefficient import coefficient_text
from taujp.report.text_table import percent, text_table


def addition_table(result: Addition) -> str:
    """The tasks by themselves and merged (test), then every coefficient (validation)."""
    names = [task.task for task in result.tasks]
    single = [
        _accuracies("zero-shot", [task.zero_shot_test for task in result.tasks]),
        _accuracies("fine-tuned, each its own", [task.finetuned_test for task in result.tasks]),
        _merged("merged, coefficient 1", result.one_shot, names),
        _merged(f"merged, coefficient {coefficient_text(result.chosen)}", result.chosen, names),
    ]
    sweep = [_merged(coefficient_text(point), point, names) for point in result.validation]
    header = [*names, "mean", "normalised"]
    return "\n\n".join(
        [
            text_table(["test, %", *header], single),
            text_table(["coefficient (validation, %)", *header], sweep),
        ]
    )


def negation_table(result: Negation) -> str:
    """Target and control before and after (test), then every coefficient (validation)."""
    header = [f"{result.target} (forget)", f"{result.control} (keep)"]
    rows = [_negated("pre-trained", result.before)]
    if isinstance(result.chosen, NegationPoint):
        rows.append(_negated(f"negated, coefficient {result.chosen.coefficient:g}", result.chosen))
    else:
        close, needed = result.chosen.closest, result.chosen.needed_control
        label = f"no coefficient keeps {needed:.1%}; closest {close.coefficient:g}"
        rows.append([label, "", percent(close.control.accuracy)])
    rows.append(_negated("negated, coefficient 1", result.one_shot))
    sweep = [_negated(f"{point.coefficient:.2f}", point) for point in result.validation]
    return "\n\n".join(
        [
            text_table(["test, %", *header], rows),
            text_table(["coefficient (validation, %)", *header], sweep),
        ]
    )


def _accuracies(label: str, scores: Sequence[Scores]) -> list[str]:
    values = [one.accuracy for one in scores]
    return [label, *map(percent, values), percent(sum(values) / len(values)), ""]


def _merged(label: str, point: AdditionPoint, names: Sequence[str]) -> list[str]:
    each = [percent(point.scores[name].accuracy) for name in names]
    return [label, *each, percent(point.absolute), percent(point.normalised)]


def _negated(label: str, point: NegationPoint) -> list[str]:
    return [label, percent(point.target.accuracy), percent(point.control.accuracy)]
