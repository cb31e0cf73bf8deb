"""Task vectors added: the table of the papers, task by task, and beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from taujp.evaluate.results import Addition
from taujp.report.beside_published import addition_beside_published, published_block
from taujp.report.blocks import Block, Plot, Section, Table
from taujp.report.coefficient import coefficient_text
from taujp.report.comparison_table import own_accuracy, zero_shot_accuracy
from taujp.report.curves import legend_below
from taujp.report.figure import COLOURS, INK, accuracy_axes, drawn, new_figure
from taujp.report.labels import in_lines
from taujp.report.runs import Runs, grouped
from taujp.report.spread import mean, over_seeds, percent_spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADER = (
    "way", "pre-trained", "own model each", "one-shot, absolute", "one-shot, normalised",
    "tuned, absolute", "tuned, normalised", "tuned coefficient",
)  # fmt: skip
BARS = ("own model each", "one-shot", "tuned")
SHOWN = "Bars by way of fine-tuning: mean test accuracy of the tasks by their own models, added \
with coefficient 1 (one-shot), and added with the tuned coefficient; a dotted line at the \
pre-trained model's. "


def blocks(runs: Runs) -> list[Block]:
    """For each set of tasks: the means, a picture of them, the published figures, every task."""
    made: list[Block] = []
    for tasks, found in grouped(runs.of(Addition), names_of).items():
        table = _means(found, tasks)
        figure = _draw(found)
        name = f"means-{len(made)}"
        made += [table, Plot(name, "Accuracy alone and added", SHOWN, figure, table)]
        compared = addition_beside_published(runs.model, found)
        made.append(published_block(compared, "Beside the published figures, test data, %."))
        made.append(_by_task(found, tasks))
    return made


SECTION = Section(
    "addition",
    "Addition",
    "All task vectors in one model, on test data. One-shot: coefficient 1, nothing chosen. Tuned: "
    "the coefficient of best normalised accuracy on validation data. Normalised: accuracy divided "
    "by that of the task's own fine-tuned model; read it beside the absolute figure, since a way "
    "that learns its tasks badly has it easy.",
    "taujp eval addition",
    blocks,
)


def names_of(result: Addition) -> tuple[str, ...]:
    """The tasks that were added."""
    return tuple(task.task for task in result.tasks)


def _means(found: Mapping[str, Sequence[Addition]], tasks: Sequence[str]) -> Table:
    rows = [
        [
            label,
            percent_spread(zero_shot_accuracy(one.tasks) for one in results),
            percent_spread(own_accuracy(one.tasks) for one in results),
            percent_spread(one.one_shot.absolute for one in results),
            percent_spread(one.one_shot.normalised for one in results),
            percent_spread(one.chosen.absolute for one in results),
            percent_spread(one.chosen.normalised for one in results),
            " / ".join(dict.fromkeys(coefficient_text(one.chosen) for one in results)),
        ]
        for label, results in found.items()
    ]
    caption = f"Mean over {len(tasks)} tasks ({', '.join(tasks)}), test data, %"
    return Table(caption + over_seeds(found), HEADER, rows)


def _by_task(found: Mapping[str, Sequence[Addition]], tasks: Sequence[str]) -> Table:
    """The pre-trained model, then own, one-shot and tuned of each way, task by task."""
    every = [task for results in found.values() for one in results for task in one.tasks]
    zero = [[one.zero_shot_test.accuracy for one in every if one.task == task] for task in tasks]
    rows = [["pre-trained", *map(percent_spread, zero)]]
    for label, results in found.items():
        for words, scores in (
            ("own model", [{t.task: t.finetuned_test for t in one.tasks} for one in results]),
            ("one-shot", [one.one_shot.scores for one in results]),
            ("tuned", [one.chosen.scores for one in results]),
        ):
            each = [percent_spread(one[task].accuracy for one in scores) for task in tasks]
            rows.append([f"{label}: {words}", *each])
    return Table("Every task, test data, %" + over_seeds(found), ["model", *tasks], rows)


@drawn
def _draw(found: Mapping[str, Sequence[Addition]]) -> Figure:
    """Three bars a way: means over seeds, with a line from the least to the most."""
    figure, (axes,) = new_figure(size=(max(4.7, 0.9 + 0.95 * len(found)), 3.6))
    accuracy_axes(axes, "", "", "mean accuracy, test data, %")
    first = next(iter(found.values()))
    before = 100 * mean(zero_shot_accuracy(one.tasks) for one in first)
    axes.axhline(before, color=INK, linewidth=1, linestyle=":", label="pre-trained")
    for index, label in enumerate(BARS):
        each = [[100 * _bar(one, index) for one in results] for results in found.values()]
        x = [way + 0.27 * (index - 1) for way in range(len(found))]
        bars = axes.bar(x, [mean(one) for one in each], 0.25, color=COLOURS[index], label=label)
        for at, values in zip(x, each, strict=True):
            if len(values) > 1:
                axes.vlines(at, min(values), max(values), color=INK, linewidth=1.5)
        axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=4)
    axes.set_xticks(range(len(found)), [in_lines(label) for label in found])
    legend_below(figure, 4)
    return figure


def _bar(result: Addition, index: int) -> float:
    return (own_accuracy(result.tasks), result.one_shot.absolute, result.chosen.absolute)[index]
