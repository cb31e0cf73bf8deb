"""Results as plain-text tables, in percent."""

from __future__ import annotations

from collections.abc import Sequence

from taujp.evaluate.results import Addition, AdditionPoint, Negation, NegationPoint
from taujp.report.text_table import percent, text_table


def addition_table(result: Addition) -> str:
    """The tasks by themselves and merged (test), then every coefficient (validation)."""
    names = [task.task for task in result.tasks]
    single = [
        _accuracies("zero-shot", [task.zero_shot_test for task in result.tasks]),
        _accuracies("fine-tuned, each its own", [task.finetuned_test for task in result.tasks]),
        _merged("merged, coefficient 1", result.one_shot, names),
        _merged(f"merged, coefficient {result.chosen.coefficient:g}", result.chosen, names),
    ]
    sweep = [_merged(f"{p.coefficient:.2f}", p, names) for p in result.validation]
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
        close = result.chosen.closest
        rows.append(
            [
                f"no coefficient keeps {result.chosen.needed_control:.1%}; "
                f"closest {close.coefficient:g}",
                "",
                f"{close.control:.1%}",
            ]
        )
    sweep = [_negated(f"{point.coefficient:.2f}", point) for point in result.validation]
    return "\n\n".join(
        [
            text_table(["test, %", *header], rows),
            text_table(["coefficient (validation, %)", *header], sweep),
        ]
    )


def _accuracies(label: str, values: Sequence[float]) -> list[str]:
    return [label, *map(percent, values), percent(sum(values) / len(values)), ""]


def _merged(label: str, point: AdditionPoint, names: Sequence[str]) -> list[str]:
    each = [percent(point.accuracy[name]) for name in names]
    return [label, *each, percent(point.absolute), percent(point.normalised)]


def _negated(label: str, point: NegationPoint) -> list[str]:
    return [label, percent(point.target), percent(point.control)]
