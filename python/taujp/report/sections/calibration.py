"""Calibration: whether a model is right as often as it is sure, alone and merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taujp.evaluate.results import Addition, Bin, Scores
from taujp.report.blocks import Block, Plot, Section, Table
from taujp.report.curves import SIZE, legend_below
from taujp.report.figure import INK, drawn, new_figure, plain_axes
from taujp.report.runs import Runs
from taujp.report.spread import ABSENT, mean, number_spread, over_seeds, percent_spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS: dict[str, Callable[[Addition], list[Scores]]] = {
    "own model each": lambda one: [task.finetuned_test for task in one.tasks],
    "one-shot": lambda one: list(one.one_shot.scores.values()),
    "tuned": lambda one: list(one.chosen.scores.values()),
}
METRICS = {"ece": "ECE", "ace": "ACE", "nll": "NLL"}


def blocks(runs: Runs) -> list[Block]:
    """The table of metrics, and a reliability diagram of each kind of model."""
    found = runs.of(Addition)
    if not found:
        return []
    looks = {label: runs.look(label) for label in found}
    plots = [_plot(words, take, found, looks) for words, take in MODELS.items()]
    return [_table(found), *(plot for plot in plots if plot is not None)]


SECTION = Section(
    "calibration",
    "Calibration",
    "Reliability diagrams: predictions in fifteen ranges of confidence, all tasks and seeds "
    "together; on the dotted line a model is right as often as it is sure, below it is "
    "over-confident. ECE: the mean distance from that line; ACE: the same for every class with "
    "ranges of equal count; NLL: mean cross-entropy, in nats. Means over the tasks, test data.",
    "taujp eval addition",
    blocks,
)


def _table(found: Mapping[str, Sequence[Addition]]) -> Table:
    rows = []
    for label, results in found.items():
        for words, take in MODELS.items():
            right = percent_spread(mean(s.accuracy for s in take(one)) for one in results)
            metrics = [number_spread(_mean(take(one), name) for one in results) for name in METRICS]
            rows.append([f"{label}: {words}", right, *metrics])
    caption = "Mean over the tasks, test data" + over_seeds(found)
    return Table(caption, ["model", "accuracy, %", *METRICS.values()], rows)


def _mean(scores: Sequence[Scores], name: str) -> float | None:
    values = [getattr(one, name) for one in scores]
    return None if None in values else mean(values)


def _plot(
    words: str,
    take: Callable[[Addition], list[Scores]],
    found: Mapping[str, Sequence[Addition]],
    looks: Mapping[str, Mapping[str, Any]],
) -> Plot | None:
    """None where no result kept its bins."""
    pooled = {
        label: bins
        for label, results in found.items()
        if (bins := pool(score for one in results for score in take(one)))
    }
    if not pooled:
        return None
    title = f"Reliability: {words}"
    told = "; ".join(f"{label}: {_over_confidence(bins)}" for label, bins in pooled.items())
    says = f"{title}. Accuracy over confidence, one line a way. {told}."
    slug = words.replace(" ", "-")
    return Plot(slug, title, says, _draw(pooled, looks), _data(title, pooled))


def pool(scores: Iterable[Scores]) -> tuple[Bin, ...]:
    """The bins of several data sets as of one; empty where none has bins."""
    columns = [one.reliability for one in scores if one.reliability]
    return tuple(_together(column) for column in zip(*columns, strict=True))


def _together(bins: Sequence[Bin]) -> Bin:
    count = sum(one.count for one in bins)
    if not count:
        return Bin(0, bins[0].confidence, bins[0].accuracy)
    return Bin(
        count,
        sum(one.count * one.confidence for one in bins if one.count) / count,
        sum(one.count * one.accuracy for one in bins if one.count) / count,
    )


def _over_confidence(bins: Sequence[Bin]) -> str:
    total = sum(one.count for one in bins) or 1
    by = sum(one.count * (one.confidence - one.accuracy) for one in bins if one.count) / total
    return f"on the mean {abs(100 * by):.1f} points {'more' if by > 0 else 'less'} sure than right"


def _data(title: str, pooled: Mapping[str, Sequence[Bin]]) -> Table:
    count = len(next(iter(pooled.values())))
    header = ["confidence from"]
    for label in pooled:
        header += [f"{label}: predictions", f"{label}: accuracy, %"]
    rows = []
    for index in range(count):
        row = [f"{100 * index / count:.1f} %"]
        for bins in pooled.values():
            one = bins[index]
            row += [str(one.count), f"{100 * one.accuracy:.1f}" if one.count else ABSENT]
        rows.append(row)
    return Table(f"{title}, test data.", header, rows)


@drawn
def _draw(pooled: Mapping[str, Sequence[Bin]], looks: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Larger dots hold more predictions."""
    figure, (axes,) = new_figure(size=SIZE)
    axes.plot([0, 100], [0, 100], color=INK, linewidth=1, linestyle=":")
    for label, bins in pooled.items():
        some = [one for one in bins if one.count]
        x, y = [100 * one.confidence for one in some], [100 * one.accuracy for one in some]
        most = max((one.count for one in some), default=1)
        sizes = [8 + 60 * one.count / most for one in some]
        axes.plot(x, y, **looks[label], linewidth=1.5, label=label)
        axes.scatter(x, y, s=sizes, color=looks[label]["color"], alpha=0.7, linewidth=0)
    axes.set(xlim=(-2, 102), ylim=(-2, 102), xlabel="confidence, %", ylabel="accuracy, %")
    plain_axes(axes)
    legend_below(figure, len(pooled))
    return figure
