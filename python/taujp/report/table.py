"""Results as plain-text tables, in percent."""

from __future__ import annotations

from collections.abc import Sequence

from taujp.evaluate.results import Addition, AdditionPoint, Negation, NegationPoint


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
            _table(["test, %", *header], single),
            _table(["coefficient (validation, %)", *header], sweep),
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
            _table(["test, %", *header], rows),
            _table(["coefficient (validation, %)", *header], sweep),
        ]
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _accuracies(label: str, values: Sequence[float]) -> list[str]:
    return [label, *map(_percent, values), _percent(sum(values) / len(values)), ""]


def _merged(label: str, point: AdditionPoint, names: Sequence[str]) -> list[str]:
    each = [_percent(point.accuracy[name]) for name in names]
    return [label, *each, _percent(point.absolute), _percent(point.normalised)]


def _negated(label: str, point: NegationPoint) -> list[str]:
    return [label, _percent(point.target), _percent(point.control)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *rest = row
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        return "  ".join(cells).rstrip()

    return "\n".join([line(header), "-" * len(line(header)), *map(line, rows)])
