"""All subsets of the tasks: accuracy against the number of vectors added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taujp.evaluate.results import Subset, Subsets
from taujp.report.blocks import Block, Plot, Section
from taujp.report.curves import Curve, curve_table, draw_curves
from taujp.report.runs import Runs, grouped
from taujp.report.spread import mean

FIRST = "vectors added"
CHOICES = {"one_shot": "one-shot", "chosen": "tuned"}
FIGURES = {
    "normalised": ("tasks whose vectors are added", "accuracy / own accuracy, %"),
    "absolute": ("tasks whose vectors are added", "accuracy, %"),
    "all_absolute": ("all tasks, added or not", "accuracy, %"),
}


def blocks(runs: Runs) -> list[Block]:
    """One plot a figure and choice of coefficient."""
    made: list[Block] = []
    for tasks, found in grouped(runs.of(Subsets), _names).items():
        for choice in CHOICES:
            kept = {
                label: some
                for label, results in found.items()
                if (some := [one for one in results if getattr(one, choice)])
            }
            if kept:
                made += [_plot(runs, kept, choice, one, len(tasks), len(made)) for one in FIGURES]
    return made


SECTION = Section(
    "subsets",
    "All subsets",
    "Every subset of the task vectors added, on test data: the mean over all subsets of a size; a "
    "band spans the seeds. One-shot: coefficient 1; tuned: the coefficient chosen for each subset "
    "on validation data of its tasks.",
    "taujp eval subsets",
    blocks,
)


def _names(result: Subsets) -> tuple[str, ...]:
    return tuple(task.task for task in result.tasks)


def _plot(
    runs: Runs,
    found: Mapping[str, Sequence[Subsets]],
    choice: str,
    figure: str,
    count: int,
    number: int,
) -> Plot:
    over, left = FIGURES[figure]
    sizes = list(range(0 if figure == "all_absolute" else 1, count + 1))
    curves = {
        label: Curve(
            sizes,
            [[_of_size(getattr(one, choice), size, figure) for size in sizes] for one in every],
            {**runs.look(label), "marker": "o", "markersize": 4},
        )
        for label, every in found.items()
    }
    words = figure.replace("all_", "")
    title = f"{words.capitalize()} accuracy, {over}, {CHOICES[choice]}"
    ends = "; ".join(
        f"{label}: {curve.middle[0]:.1f} % with {sizes[0]}, {curve.middle[-1]:.1f} % with {count}"
        for label, curve in curves.items()
    )
    return Plot(
        f"{choice}-{figure}-{number}".replace("_", "-"),
        title,
        f"{title}, over the number of vectors added. {ends}.",
        draw_curves(curves, "number of task vectors added", left),
        curve_table(curves, f"{title}: mean over all subsets of a size, %.", FIRST),
    )


def _of_size(subsets: Sequence[Subset], size: int, figure: str) -> float:
    return 100 * mean(getattr(one, figure) for one in subsets if len(one.tasks) == size)
