"""Figures over seeds: the mean, the spread and every value; two ways compared seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from taujp.evaluate.figures import figures
from taujp.evaluate.record import Record

Seed = int | None
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """One figure at several seeds. standard_deviation: of the values (n - 1); None for one."""

    seeds: tuple[Seed, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def standard_deviation(self) -> float | None:
        return _deviation(self.values)


@dataclass(frozen=True)
class Paired:
    """One figure of two ways at the same seeds; differences are second - first.

    smallest: of the differences. interval: Student's t, 95 %, for the mean difference; None for
    one seed.
    """

    seeds: tuple[Seed, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(self.first, self.second, strict=True))

    @property
    def mean(self) -> float:
        return fmean(self.differences)

    @property
    def standard_deviation(self) -> float | None:
        return _deviation(self.differences)

    @property
    def smallest(self) -> float:
        return min(self.differences)

    @property
    def interval(self) -> tuple[float, float] | None:
        """mean -+ t(0.975, n - 1) * standard deviation / sqrt(n)."""
        if self.standard_deviation is None:
            return None
        from scipy.stats import t

        count = len(self.differences)
        half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * self.standard_deviation / count**0.5
        return self.mean - half, self.mean + half


def spreads(records: Iterable[Record]) -> dict[str, Spread]:
    """Every figure over records of one way and protocol, one record a seed.

    A figure that a seed lacks (nothing qualified in negation) has fewer seeds.
    """
    return {
        name: Spread(tuple(values), tuple(values.values()))
        for name, values in _by_figure(records).items()
    }


def paired_differences(first: Iterable[Record], second: Iterable[Record]) -> dict[str, Paired]:
    """Every figure that both ways have, at the seeds that both have, each side as in `spreads`.

    ValueError where they share no seed.
    """
    a, b = _by_figure(first), _by_figure(second)
    found = {name: _pair(a[name], b[name]) for name in a if name in b}
    kept = {name: pair for name, pair in found.items() if pair.seeds}
    if not kept:
        seeds = [sorted({str(seed) for each in side.values() for seed in each}) for side in (a, b)]
        raise ValueError(
            f"paired_differences: the first side has the seeds {seeds[0]}, the second {seeds[1]}; "
            "expected a seed and a figure that both have; evaluate both ways with the same --seed"
        )
    return kept


def _deviation(values: Sequence[float]) -> float | None:
    """Of the sample; None for one value, NaN where a value is infinite."""
    if len(values) < 2:
        return None
    return stdev(values) if all(map(math.isfinite, values)) else math.nan


def _pair(a: Mapping[Seed, float], b: Mapping[Seed, float]) -> Paired:
    seeds = tuple(seed for seed in a if seed in b)
    return Paired(seeds, tuple(a[seed] for seed in seeds), tuple(b[seed] for seed in seeds))


def _by_figure(records: Iterable[Record]) -> dict[str, dict[Seed, float]]:
    """{figure: {seed: value}}, seeds in order; ValueError where a seed comes twice."""
    ordered = sorted(records, key=lambda record: _order(record.provenance.seed))
    _check([record.provenance.seed for record in ordered], {record.kind for record in ordered})
    found: dict[str, dict[Seed, float]] = {}
    for record in ordered:
        for name, value in figures(record.result).items():
            found.setdefault(name, {})[record.provenance.seed] = value
    return found


def _check(seeds: Sequence[Seed], kinds: set[str]) -> None:
    if len(kinds) > 1 or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"seeds: came records of {sorted(kinds)} with the seeds {list(seeds)}; expected one "
            "protocol and every seed once; split them by protocol, tasks and way, and evaluate "
            "with --seed"
        )


def _order(seed: Seed) -> tuple[bool, int]:
    return (seed is not None, seed or 0)
