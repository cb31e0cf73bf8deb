"""What the runs measured, as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pvariance, stdev
from typing import Any

from invariance.digits import SETTINGS

Figures = Mapping[str, Any]


def digits_table(figures: Figures) -> str:
    """The unseen environment, where the colour is reversed: mean ± deviation over seeds."""
    header = ["objective", "accuracy", "ECE", "ACE", "NLL", "T", "ECE at T", "NLL at T"]
    rows = []
    for name in SETTINGS:
        seeds = figures["digits"][name]
        unseen = [run[figures["unseen"]] for run in seeds.values()]
        rows.append(
            [
                name,
                *(_told([one["plain"][metric] for one in unseen]) for metric in METRICS),
                _told([one["temperature"] for one in unseen], digits=1),
                *(_told([one["scaled"][metric] for one in unseen]) for metric in ("ece", "nll")),
            ]
        )
    return _markdown(header, rows)


def environments_table(figures: Figures) -> str:
    """Accuracy in every test environment, and the variance of the metrics across them."""
    first = next(iter(next(iter(figures["digits"].values())).values()))
    header = ["objective", *(f"accuracy, {name}" for name in first)]
    header += [f"variance of {title}" for title in ("accuracy", "ECE", "ACE", "NLL")]
    rows = []
    for name in SETTINGS:
        seeds = figures["digits"][name]
        each = [
            _told([run[environment]["plain"]["accuracy"] for run in seeds.values()])
            for environment in first
        ]
        spread = [f"{_mean_variance(list(seeds.values()), metric):.4f}" for metric in METRICS]
        rows.append([name, *each, *spread])
    return _markdown(header, rows)


def settings_table() -> str:
    """Every objective's hyper-parameters."""
    rows = []
    for name, setting in SETTINGS.items():
        options = ", ".join(f"{key}={value}" for key, value in setting.options.items())
        how = setting.how
        rows.append(
            [name, options or "none", str(how.steps), str(how.rows or "all"), setting.source]
        )
    return _markdown(["objective", "options", "steps", "rows", "where from"], rows)


def structure_table(figures: Figures) -> str:
    """The error by the number of rows of an environment."""
    sizes = list(next(iter(figures["structure"].values())))
    rows = [
        [name, *(_told(list(by_rows[size].values()), digits=4) for size in sizes)]
        for name, by_rows in figures["structure"].items()
    ]
    return _markdown(["objective", *(f"{size} rows" for size in sizes)], rows)


METRICS = ("accuracy", "ece", "ace", "nll")


def _told(values: Sequence[float], *, digits: int = 3) -> str:
    spread = stdev(values) if len(values) > 1 else 0.0
    return f"{fmean(values):.{digits}f} ± {spread:.{digits}f}"


def _mean_variance(runs: Sequence[Mapping[str, Any]], metric: str) -> float:
    """Over seeds the mean of a metric's variance across environments."""
    values = [[one["plain"][metric] for one in run.values()] for run in runs]
    return fmean(pvariance(across) for across in values)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
