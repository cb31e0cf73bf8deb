"""Reliability diagrams: how often predictions are right, by how sure they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taujp.evaluate.task_scores import Bin, Scores
from taujp.report.blocks import Plot, Table
from taujp.report.curves import SIZE, legend_below
from taujp.report.figure import INK, drawn, new_figure, plain_axes
from taujp.report.spread import ABSENT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Looks = Mapping[str, Mapping[str, Any]]


def reliability_plot(
    words: str, scores: Mapping[str, Sequence[Scores]], looks: Looks
) -> Plot | None:
    """One line a way, of all its scores together; None where none kept its bins."""
    pooled = {label: bins for label, every in scores.items() if (bins := pool(every))}
    if not pooled:
        return None
    title = f"Reliability: {words}"
    told = "; ".join(f"{label}: {_over_confidence(bins)}" for label, bins in pooled.items())
    says = f"{title}. Accuracy over confidence, one line a way. {told}."
    slug = words.replace(",", "").replace(" ", "-")
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
def _draw(pooled: Mapping[str, Sequence[Bin]], looks: Looks) -> Figure:
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
