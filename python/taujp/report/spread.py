"""Several values of one figure in few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev

ABSENT = "–"


def percent_spread(values: Iterable[float | None]) -> str:
    """ "84.0 ± 0.6": mean and standard deviation (n - 1) in percent; one value, or the same every
    time, stands alone."""
    known = [100 * value for value in values if value is not None]
    return _told(known, 1)


def number_spread(values: Iterable[float | None], digits: int = 3) -> str:
    """The same of plain numbers."""
    return _told([value for value in values if value is not None], digits)


def signed_points(difference: float) -> str:
    """A difference of shares in points of a percent, with its sign: "+1.2", "−0.4"."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def over_seeds(found: Mapping[str, Sequence[object]]) -> str:
    """The end of a caption: how many seeds each figure is the mean of."""
    counts = sorted({len(results) for results in found.values()})
    if counts == [1]:
        return "."
    told = " or ".join(map(str, counts))
    return f"; mean ± standard deviation over {told} seeds."


def mean(values: Iterable[float]) -> float:
    """The mean of at least one value."""
    return fmean(values)


def _told(known: Sequence[float], digits: int) -> str:
    if not known:
        return ABSENT
    middle = f"{fmean(known):.{digits}f}"
    alike = max(known) == min(known)
    return middle if alike else f"{middle} ± {stdev(known):.{digits}f}"
