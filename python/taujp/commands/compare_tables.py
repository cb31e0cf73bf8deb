"""What `taujp compare` prints of one protocol on the same tasks."""

from __future__ import annotations

from collections.abc import Sequence

from taujp.evaluate.comparison import Side, other_origins
from taujp.evaluate.figures import figures
from taujp.evaluate.record import Record
from taujp.evaluate.seeds import Paired, Spread, paired_differences, spreads
from taujp.report.text_table import text_table


def section(subject: str, sides: Sequence[Side]) -> str:
    """A title, a table of figures, and what else differs from the first side."""
    first, *others = sides
    pairs = {other.name: paired(first, other) for other in others}
    lines = [f"{subject} (test)", _table(sides, pairs), *_interval_note(pairs)]
    for other in others:
        for told in other_origins(_matched(first, other)):
            lines.append(f"{other.name}: {told}")
    return "\n".join(lines)


def paired(first: Side, other: Side) -> dict[str, Paired]:
    """Differences seed by seed; of one record a side whatever their seeds are."""
    if len(first.records) > 1 or len(other.records) > 1:
        return paired_differences(first.records, other.records)
    a, b = (figures(side.records[0].result) for side in (first, other))
    seeds = (first.records[0].provenance.seed,)
    return {name: Paired(seeds, (a[name],), (b[name],)) for name in a if name in b}


def _table(sides: Sequence[Side], pairs: dict[str, dict[str, Paired]]) -> str:
    found = {side.name: spreads(side.records) for side in sides}
    several = any(len(each.seeds) > 1 for columns in pairs.values() for each in columns.values())
    header = ["", *found]
    for name in pairs:
        difference = f"{name} - {sides[0].name}"
        header += [difference, "smallest", "95 % t interval"] if several else [difference]
    names = dict.fromkeys(name for each in found.values() for name in each)
    rows = []
    for name in names:
        row = [name, *(_spread(columns.get(name)) for columns in found.values())]
        for columns in pairs.values():
            row += _difference(columns.get(name), several)
        rows.append(row)
    return text_table(header, rows)


def _spread(value: Spread | None) -> str:
    if value is None:
        return "-"
    deviation = value.standard_deviation
    return f"{value.mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def _difference(value: Paired | None, several: bool) -> list[str]:
    if value is None:
        return ["-"] * (3 if several else 1)
    deviation = value.standard_deviation
    mean = f"{value.mean:+.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
    interval = value.interval
    told = "-" if interval is None else f"[{interval[0]:+.4f}, {interval[1]:+.4f}]"
    return [mean, f"{value.smallest:+.4f}", told] if several else [mean]


def _interval_note(pairs: dict[str, dict[str, Paired]]) -> list[str]:
    """How many seeds, and what the interval assumes."""
    counts = {len(each.seeds) for columns in pairs.values() for each in columns.values()}
    if max(counts) < 2:
        return []
    told = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
    return [
        f"± standard deviation; differences seed by seed ({told} seeds); the interval of the mean "
        "takes them as independent draws of one normal distribution"
    ]


def _matched(first: Side, other: Side) -> list[tuple[Record, Record]]:
    """The records of the same seed; of one record a side those two."""
    if len(first.records) == len(other.records) == 1:
        return [(first.records[0], other.records[0])]
    by_seed = {record.provenance.seed: record for record in first.records}
    return [
        (by_seed[record.provenance.seed], record)
        for record in other.records
        if record.provenance.seed in by_seed
    ]
