"""Every seed's figures, and the ways compared seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from taujp.evaluate.seeds import Paired
from taujp.report.blocks import Block, Folded, Plot, Section, Table
from taujp.report.curves import legend_below
from taujp.report.figure import drawn, line_look, new_figure, plain_axes
from taujp.report.labels import in_lines
from taujp.report.runs import Runs
from taujp.report.seed_figures import additions_by_seed, mean_figures, negations_by_seed
from taujp.report.spread import ABSENT, percent_spread, signed_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ADDITION = ("absolute, one-shot", "normalised, one-shot", "absolute, tuned", "normalised, tuned")
NEGATION = ("target, one-shot", "target, tuned", "control, tuned", "others kept, one-shot")
Seeds = Mapping[int, Mapping[str, float]]  # by seed, by figure


def blocks(runs: Runs) -> list[Block]:
    """For addition and negation: every value, then the paired differences."""
    made: list[Block] = []
    for words, names, found in _groups(runs):
        table = _values(words, names, found)
        title = f"{words}: {names[0]}, seed by seed"
        says = f"{title}: a dot a seed in each way's column, lines join the dots of a seed."
        made += [table, Plot(f"dots-{len(made)}", title, says, _draw(names[0], found), table)]
        made.append(Folded(f"{words}: ways compared seed by seed", [_paired(words, names, found)]))
    return made


SECTION = Section(
    "seeds",
    "Seeds",
    "Every seed's figure on test data, and the differences of two ways at the same seeds. The "
    "interval is Student's t, 95 %, of the mean difference: it assumes that the seeds' differences "
    "are independent draws of one normal distribution, and with few seeds it is wide. "
    "Needs two seeds or more of a way.",
    "taujp eval addition --seed 1",
    blocks,
)


def _groups(runs: Runs) -> list[tuple[str, Sequence[str], dict[str, Seeds]]]:
    """What is compared, its figures, and by label those of each seed; two seeds or more."""
    groups: list[tuple[str, Sequence[str], Mapping[str, Mapping[int | None, Any]]]] = [
        (f"Addition of {', '.join(tasks)}", ADDITION, found)
        for tasks, found in additions_by_seed(runs).items()
    ]
    groups += [
        (f"Negation, mean over {', '.join(targets)}, control {control}", NEGATION, found)
        for (control, targets), found in negations_by_seed(runs).items()
    ]
    named = [(words, names, _figures(found)) for words, names, found in groups]
    return [group for group in named if group[2]]


def _figures(found: Mapping[str, Mapping[int | None, Any]]) -> dict[str, Seeds]:
    """The figures of every label that has two seeds or more."""
    figures = {
        label: {seed: mean_figures(each) for seed, each in seeds.items() if seed is not None}
        for label, seeds in found.items()
    }
    return {label: seeds for label, seeds in figures.items() if len(seeds) > 1}


def _values(words: str, names: Sequence[str], found: Mapping[str, Seeds]) -> Table:
    """A row a figure and way, a column a seed."""
    every = _every(found)
    rows = []
    for name in names:
        for label, seeds in found.items():
            known = _known(seeds, name)
            each = [f"{100 * known[seed]:.1f}" if seed in known else ABSENT for seed in every]
            rows.append([f"{name}: {label}", *each, percent_spread(known.values())])
    header = ["figure: way", *(f"seed {seed}" for seed in every), "mean ± standard deviation"]
    return Table(f"{words}, test data, %.", header, rows)


def _known(seeds: Seeds, name: str) -> dict[int, float]:
    """The figure at every seed that has it."""
    return {seed: figures[name] for seed, figures in seeds.items() if name in figures}


def _every(found: Mapping[str, Seeds]) -> list[int]:
    return sorted({seed for seeds in found.values() for seed in seeds})


@drawn
def _draw(name: str, found: Mapping[str, Seeds]) -> Figure:
    figure, (axes,) = new_figure(size=(max(4.7, 0.9 + 0.95 * len(found)), 3.6))
    axes.set_ylabel(f"{name}, %")
    plain_axes(axes)
    columns = [_known(seeds, name) for seeds in found.values()]
    for index, seed in enumerate(_every(found)):
        x = [at for at, known in enumerate(columns) if seed in known]
        y = [100 * columns[at][seed] for at in x]
        look = line_look(index)
        axes.plot(x, y, **look, marker="o", markersize=5, linewidth=0.8, label=f"seed {seed}")
    axes.set_xticks(range(len(found)), [in_lines(label) for label in found])
    axes.margins(0.15)
    legend_below(figure, len(_every(found)))
    return figure


def _paired(words: str, names: Sequence[str], found: Mapping[str, Seeds]) -> Table:
    """The second way minus the first, for every two ways that share seeds."""
    rows = []
    for first, second in combinations(found, 2):
        for name in names:
            a, b = _known(found[first], name), _known(found[second], name)
            both = tuple(sorted(set(a) & set(b)))
            if both:
                pair = Paired(both, tuple(a[s] for s in both), tuple(b[s] for s in both))
                rows.append([f"{second} − {first}: {name}", *_row(pair)])
    header = [
        "difference", "seeds", "mean", "standard deviation", "smallest", "95 % interval of the mean"
    ]  # fmt: skip
    return Table(f"{words}: paired differences, points.", header, rows)


def _row(pair: Paired) -> list[str]:
    deviation, interval = pair.standard_deviation, pair.interval
    return [
        str(len(pair.seeds)),
        signed_points(pair.mean),
        ABSENT if deviation is None else f"{100 * deviation:.1f}",
        signed_points(pair.smallest),
        ABSENT if interval is None else " to ".join(map(signed_points, interval)),
    ]
