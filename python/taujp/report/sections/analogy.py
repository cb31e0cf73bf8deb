"""Analogies: "a is to b as c is to d" in weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taujp.evaluate.results import Analogy
from taujp.report.blocks import Block, Section, Table
from taujp.report.runs import Runs, grouped
from taujp.report.spread import number_spread, over_seeds, percent_spread

HEADER = (
    "way", "pre-trained", "model of c", "one-shot", "tuned", "model of d", "tuned: add c",
    "tuned: shift by b - a",
)  # fmt: skip


def blocks(runs: Runs) -> list[Block]:
    """A table an analogy."""
    groups = grouped(runs.of(Analogy), lambda one: (one.a, one.b, one.c, one.d))
    return [_table(names, found) for names, found in groups.items()]


SECTION = Section(
    "analogy",
    "Analogies",
    "The vector of d from those of a, b and c: c + (b - a). Accuracy on the test data of d; "
    "one-shot: both coefficients 1; tuned: both chosen on validation data.",
    "taujp eval analogy",
    blocks,
)


def _table(names: Sequence[str], found: Mapping[str, Sequence[Analogy]]) -> Table:
    a, b, c, d = names
    rows = [
        [
            label,
            percent_spread(one.zero_shot.accuracy for one in results),
            percent_spread(one.of_c.accuracy for one in results),
            percent_spread(one.one_shot.scores.accuracy for one in results),
            percent_spread(one.chosen.scores.accuracy for one in results),
            percent_spread(one.of_d.accuracy for one in results if one.of_d is not None),
            number_spread([one.chosen.add for one in results], 2),
            number_spread([one.chosen.shift for one in results], 2),
        ]
        for label, results in found.items()
    ]
    caption = f"{a} is to {b} as {c} is to {d}: accuracy on {d}, test data, %"
    return Table(caption + over_seeds(found), HEADER, rows)
