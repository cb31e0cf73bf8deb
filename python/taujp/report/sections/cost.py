"""What the protocols took: time and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taujp.evaluate.record import Cost
from taujp.report.blocks import Block, Plot, Section, Table
from taujp.report.curves import legend_below
from taujp.report.figure import drawn, new_figure
from taujp.report.runs import Runs
from taujp.report.spread import mean, number_spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Groups = Mapping[str, Mapping[str, Sequence[Cost]]]  # by protocol and way


def blocks(runs: Runs) -> list[Block]:
    """Time and memory: a row a protocol, a column a way."""
    groups = _groups(runs)
    if not groups:
        return []
    seconds = _table("Seconds", runs, groups, lambda cost: cost.seconds, 1)
    memory = _table("Peak memory, MB", runs, groups, _megabytes, 0)
    times = {kind: {way: _seconds(c) for way, c in each.items()} for kind, each in groups.items()}
    kind, way = max(
        ((kind, way) for kind, each in times.items() for way in each),
        key=lambda pair: times[pair[0]][pair[1]],
    )
    says = f"Bars: seconds of each protocol by way. Longest: {kind}, {way}, {times[kind][way]:.1f}."
    looks = {label: runs.look(label)["color"] for label in runs.labels}
    plot = Plot("seconds", "Time of each protocol", says, _draw(times, looks), seconds)
    return [seconds, memory, plot]


SECTION = Section(
    "cost",
    "Cost",
    "Time and memory of the evaluation, data and model loaded. On a GPU the memory is what torch "
    "allocated there, on the CPU what the process held. Times compare on the same machine only. "
    "A linearised model keeps its features: protocols after the first cost little.",
    "taujp eval addition",
    blocks,
)


def _groups(runs: Runs) -> dict[str, dict[str, list[Cost]]]:
    groups: dict[str, dict[str, list[Cost]]] = {}
    for run in runs.runs:
        if run.record.cost is not None:
            kind = run.record.kind.replace("_", " ")
            groups.setdefault(kind, {}).setdefault(run.label, []).append(run.record.cost)
    return groups


def _table(
    words: str, runs: Runs, groups: Groups, take: Callable[[Cost], float | None], digits: int
) -> Table:
    rows = [
        [kind, *(number_spread(map(take, each.get(label, ())), digits) for label in runs.labels)]
        for kind, each in groups.items()
    ]
    costs = [cost for each in groups.values() for some in each.values() for cost in some]
    devices = "; ".join(dict.fromkeys(cost.device for cost in costs))
    caption = f"{words}, mean ± standard deviation over the runs. Device: {devices}."
    return Table(caption, ["protocol", *runs.labels], rows)


def _megabytes(cost: Cost) -> float | None:
    return None if cost.peak_memory_bytes is None else cost.peak_memory_bytes / 1e6


def _seconds(costs: Sequence[Cost]) -> float:
    return mean(cost.seconds for cost in costs)


@drawn
def _draw(times: Mapping[str, Mapping[str, float]], colours: Mapping[str, Any]) -> Figure:
    """A group of bars a protocol, a bar a way."""
    bars = sum(map(len, times.values()))
    figure, (axes,) = new_figure(size=(4.7, 1.3 + 0.17 * bars + 0.1 * len(times)))
    at, middles = 0.0, []
    for each in times.values():
        y = [at + index for index in range(len(each))]
        colour = [colours[label] for label in each]
        shown = axes.barh(y, list(each.values()), color=colour, height=0.85)
        axes.bar_label(shown, fmt="%.1f", fontsize=7, padding=3)
        middles.append(sum(y) / len(y))
        at = y[-1] + 1.7
    axes.set_yticks(middles, list(times))
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.margins(x=0.12, y=0.01)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    used = [label for label in colours if any(label in each for each in times.values())]
    for label in used:
        axes.barh(0, 0, color=colours[label], label=label)
    legend_below(figure, len(used))
    return figure
