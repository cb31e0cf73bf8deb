"""Tasks that no merged vector was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taujp.evaluate.results import Unseen
from taujp.report.blocks import Block, Section, Table
from taujp.report.runs import Runs, grouped
from taujp.report.spread import mean, number_spread, over_seeds, percent_spread

POINTS = {"zero_shot": "pre-trained", "one_shot": "one-shot", "chosen": "tuned"}


def blocks(runs: Runs) -> list[Block]:
    """A table for each choice of merged and unseen tasks."""
    groups = grouped(runs.of(Unseen), lambda one: (one.merged, tuple(one.zero_shot)))
    return [_table(merged, left, found) for (merged, left), found in groups.items()]


SECTION = Section(
    "unseen",
    "Unseen tasks",
    "Some task vectors added, tried on tasks that are not among them. One-shot: coefficient 1; "
    "tuned: chosen on validation data of the merged tasks. Test data.",
    "taujp eval unseen",
    blocks,
)


def _table(
    merged: Sequence[str], left: Sequence[str], found: Mapping[str, Sequence[Unseen]]
) -> Table:
    rows = []
    for label, results in found.items():
        for name, words in POINTS.items():
            scores = [getattr(one, name) for one in results]
            each = [percent_spread(one[task].accuracy for one in scores) for task in left]
            middle = percent_spread(mean(one[t].accuracy for t in left) for one in scores)
            tuned = [one.coefficient for one in results] if name == "chosen" else []
            rows.append([f"{label}: {words}", *each, middle, number_spread(tuned, 2)])
    caption = f"{', '.join(merged)} merged; accuracy on the others, test data, %"
    return Table(caption + over_seeds(found), ["model", *left, "mean", "coefficient"], rows)
