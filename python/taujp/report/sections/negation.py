"""One task forgotten at a time: target, control, and what the other tasks keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from taujp.evaluate.results import Negation, NegationPoint, Unqualified
from taujp.report.beside_published import negation_beside_published, published_block
from taujp.report.blocks import Block, Plot, Section, Table
from taujp.report.curves import Curve, curve_table, draw_curves
from taujp.report.runs import Runs
from taujp.report.seed_figures import mean_figures, negations_by_seed
from taujp.report.spread import ABSENT, mean, over_seeds, percent_spread

HEADER = (
    "way", "target, one-shot", "control, one-shot", "others kept, one-shot",
    "target, tuned", "control, tuned", "others kept, tuned", "tuned coefficient",
)  # fmt: skip


def blocks(runs: Runs) -> list[Block]:
    """For each control and set of targets: the means, the published ones, sweeps, every target."""
    made: list[Block] = []
    for (control, targets), found in negations_by_seed(runs).items():
        by_seed = {label: list(seeds.values()) for label, seeds in found.items()}
        made.append(_means(by_seed, control, targets))
        compared = negation_beside_published(runs.model, by_seed)
        made.append(published_block(compared, "Beside the published figures, test data, %."))
        made += [
            _sweep(runs, by_seed, words, take, f"{words}-{len(made)}")
            for words, take in (
                ("target", lambda point: point.target.accuracy),
                ("control", lambda point: point.control.accuracy),
            )
        ]
    every = runs.of(Negation)
    return [*made, _by_target(every)] if every else []


SECTION = Section(
    "negation",
    "Negation",
    "One task vector subtracted: the task to forget (target) should fall, the control and the "
    "other tasks should stay. Test data. One-shot: coefficient 1. Tuned: chosen on validation data "
    "among the coefficients that keep the control's accuracy. Others kept: accuracy of the other "
    "tasks over the pre-trained model's.",
    "taujp eval negation",
    blocks,
)


def _means(
    by_seed: Mapping[str, Sequence[Sequence[Negation]]], control: str, targets: Sequence[str]
) -> Table:
    """Means over the targets of a seed, and their spread over the seeds."""
    every = [one for seeds in by_seed.values() for results in seeds for one in results]
    before = list({one.target: one.before for one in every}.values())
    zero = [
        percent_spread([mean(point.target.accuracy for point in before)]),
        percent_spread([mean(point.control.accuracy for point in before)]),
    ]
    rows = [["pre-trained", *zero, ABSENT, *zero, ABSENT, ABSENT]]
    for label, seeds in by_seed.items():
        rows.append([label, *_row(seeds), _coefficients(seeds)])
    keep = ", ".join(f"{100 * share:g} %" for share in sorted({one.keep for one in every}))
    caption = (
        f"Mean over the targets {', '.join(targets)}; control {control}, of which {keep} is to be "
        "kept; test data, %"
    )
    return Table(caption + over_seeds(by_seed), HEADER, rows)


def _row(seeds: Sequence[Sequence[Negation]]) -> list[str]:
    """Target, control, others kept, one-shot and tuned; a seed counts for a figure that all of its
    targets have."""
    each = [mean_figures(results) for results in seeds]
    return [percent_spread(one.get(name) for one in each) for name in HEADER[1:-1]]


def _coefficients(seeds: Sequence[Sequence[Negation]]) -> str:
    """From the least to the greatest, and how many have none."""
    points = [one.chosen for results in seeds for one in results]
    sure = sorted({one.coefficient for one in points if isinstance(one, NegationPoint)})
    told = f"{sure[0]:g} to {sure[-1]:g}" if len(sure) > 1 else "".join(f"{c:g}" for c in sure)
    without = sum(isinstance(one, Unqualified) for one in points)
    failed = f"none qualifies: {without} of {len(points)}" if without else ""
    return "; ".join(words for words in (told, failed) if words)


def _sweep(
    runs: Runs,
    by_seed: Mapping[str, Sequence[Sequence[Negation]]],
    words: str,
    take: Callable[[NegationPoint], float],
    name: str,
) -> Plot:
    """Mean over the targets on validation data, over the coefficient."""
    curves = {}
    for label, seeds in by_seed.items():
        x = [point.coefficient for point in seeds[0][0].validation]
        rows = [
            [100 * mean(take(one.validation[at]) for one in results) for at in range(len(x))]
            for results in seeds
            if all([point.coefficient for point in one.validation] == x for one in results)
        ]
        curves[label] = Curve(x, rows, runs.look(label))
    title = f"Accuracy on the {words} over the coefficient subtracted"
    ends = "; ".join(
        f"{label}: {curve.middle[0]:.1f} % to {curve.middle[-1]:.1f} %"
        for label, curve in curves.items()
    )
    return Plot(
        name,
        title,
        f"{title}, mean over the targets, validation data. From the first coefficient to the "
        f"last, {ends}.",
        draw_curves(curves, "coefficient subtracted", f"accuracy on the {words}, %"),
        curve_table(curves, f"{title}, validation data, %.", "coefficient"),
    )


def _by_target(found: Mapping[str, Sequence[Negation]]) -> Table:
    """Every target by itself."""
    rows = []
    for label, results in found.items():
        for target in dict.fromkeys(one.target for one in results):
            same = [[one] for one in results if one.target == target]
            rows.append([f"{label}: {target}", *_row(same), _coefficients(same)])
    return Table("Every target, test data, %.", ["way: target", *HEADER[1:]], rows)
