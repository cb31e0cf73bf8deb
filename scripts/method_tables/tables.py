"""The tables of docs/methods.md from the figures: means over the seeds, with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]

OF_SUMS = ("at 1", "at the best coefficient", "coefficient", "mean accuracy there", "ms", "MB")


def sums_table(figures: Figures, kind: str) -> str:
    """A row a method, the best first; in percent."""
    found = by_method(figures, kind)
    order = sorted(found, key=lambda name: -_mean(found[name], "best", "normalised"))
    rows = []
    for name in order:
        runs = found[name]
        coefficients = [run["best"].get("coefficient") for run in runs]
        rows.append(
            [
                f"`{name}`",
                share(run["default"]["normalised"] for run in runs),
                share(run["best"]["normalised"] for run in runs),
                "–" if None in coefficients else _range(coefficients),
                share(run["best"]["absolute"] for run in runs),
                milliseconds(runs),
                f"{_median(runs, 'megabytes'):.1f}",
            ]
        )
    return table(("method", *OF_SUMS), rows)


def pairs_table(figures: Figures) -> str:
    """Means over the six pairs of tasks."""
    found = by_method(figures, "pairs")
    order = sorted(found, key=lambda name: -_mean(found[name], "best", "normalised"))
    rows = [
        [
            f"`{name}`",
            share(run["default"]["normalised"] for run in found[name]),
            share(run["best"]["normalised"] for run in found[name]),
        ]
        for name in order
    ]
    return table(("method", *OF_SUMS[:2]), rows)


def tasks_table(figures: Figures) -> str:
    """Methods with a model for each task."""
    rows = []
    for name, runs in by_method(figures, "tasks").items():
        extra = {k for run in runs for k in run["best"]} - {"normalised", "absolute"}
        (option,) = extra
        rows.append(
            [
                f"`{name}`",
                share(run["default"]["normalised"] for run in runs),
                share(run["best"]["normalised"] for run in runs),
                f"`{option}` {_range([run['best'][option] for run in runs])}",
                share(run["best"]["absolute"] for run in runs),
                milliseconds(runs),
                f"{_median(runs, 'megabytes'):.1f}",
            ]
        )
    return table(("method", "at its defaults", "at the best option", "option", *OF_SUMS[3:]), rows)


def references_table(figures: Figures) -> str:
    """The models that the others are measured against."""
    runs = list(figures.values())
    rows = [
        [name, *(share(run["references"][key][figure] for run in runs) for figure in FIGURES)]
        for name, key in (("pre-trained", "zero_shot"), ("fine-tuned, each its own", "finetuned"))
    ]
    return table(("model", "normalised", "mean accuracy"), rows)


FIGURES = ("normalised", "absolute")


def by_method(figures: Figures, kind: str) -> dict[str, list[Figures]]:
    """The runs of every seed by method."""
    found: dict[str, list[Figures]] = {}
    for run in figures.values():
        for name, one in run.get(kind, {}).items():
            found.setdefault(name, []).append(one)
    return found


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(values: Iterable[float]) -> str:
    """Percent: the mean, and of several its standard deviation."""
    given = [100 * value for value in values]
    spread = f" ± {statistics.stdev(given):.1f}" if len(given) > 1 else ""
    return f"{statistics.mean(given):.1f}{spread}"


def seeds_line(figures: Figures) -> str:
    """What the figures are of."""
    if len(figures) == 1:
        return "Figures are of one seed of the fine-tuning, in percent."
    return (
        f"Figures are of {len(figures)} seeds of the fine-tuning, mean ± standard deviation, in "
        "percent."
    )


def milliseconds(runs: Sequence[Figures]) -> str:
    """The median over the seeds, in as many digits as mean something."""
    value = _median(runs, "milliseconds")
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _mean(runs: Sequence[Figures], which: str, figure: str) -> float:
    return statistics.mean(run[which][figure] for run in runs)


def _median(runs: Sequence[Figures], figure: str) -> float:
    return statistics.median(run["cost"][figure] for run in runs)


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"
