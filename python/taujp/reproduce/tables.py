"""The published table beside what was measured: one line a figure, with the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from taujp.evaluate.results import Addition, AdditionPoint, Negation, NegationPoint
from taujp.report.published import published_addition, published_negation
from taujp.report.spread import percent_spread, signed_points
from taujp.report.text_table import text_table

CHOICES = ("one-shot", "tuned")


def addition_lines(model: str, results: Mapping[str, Sequence[Addition]]) -> str:
    """Means over the tasks, test data, in percent; results: by way, one a seed.

    Absolute and normalised (divided by the tasks' own fine-tuned accuracies) side by side.
    """
    first = next(iter(results.values()))
    tasks = [task.task for task in first[0].tasks]
    before = [fmean(t.zero_shot_test.accuracy for t in one.tasks) for one in first]
    known = published_addition(model, "pre-trained", tasks=tasks)
    rows = [["pre-trained", *_three(known, "absolute", before), "", "", "", ""]]
    for way, each in results.items():
        own = [fmean(t.finetuned_test.accuracy for t in one.tasks) for one in each]
        rows.append([f"{way}, each task's own", *_three(None, "", own), "", "", "", ""])
        for choice in CHOICES:
            points = [one.one_shot if choice == "one-shot" else one.chosen for one in each]
            rows.append(_addition_row(model, way, choice, points, tasks))
    header = [f"{len(tasks)} vectors added", "published", "absolute", "difference"]
    return text_table([*header, "published", "normalised", "difference", "coefficient"], rows)


def _addition_row(
    model: str, way: str, choice: str, points: Sequence[AdditionPoint], tasks: Sequence[str]
) -> list[str]:
    known = published_addition(model, way, choice, tasks=tasks)
    return [
        f"{way}, {choice}",
        *_three(known, "absolute", [point.absolute for point in points]),
        *_three(known, "normalised", [point.normalised for point in points]),
        _once([f"{point.coefficient:g}" for point in points]),
    ]


def negation_lines(model: str, results: Mapping[str, Sequence[Sequence[Negation]]]) -> str:
    """Means over the forgotten tasks, test data, in percent; results: by way, a seed, a target.

    "others kept": the accuracy of the tasks that were not forgotten over that of the pre-trained
    model. The last column: how many targets have a coefficient that keeps the control; means are
    over those.
    """
    first = next(iter(results.values()))
    targets, control = [one.target for one in first[0]], first[0][0].control
    rows = [_negation_row(model, "pre-trained", "one-shot", _points(first, "before"), control)]
    for way, seeds in results.items():
        for choice in CHOICES:
            attribute = "one_shot" if choice == "one-shot" else "chosen"
            rows.append(_negation_row(model, way, choice, _points(seeds, attribute), control))
    header = [f"each of {len(targets)} forgotten", "published", "forgotten", "difference"]
    header += ["published", f"{control} kept", "difference", "others kept", "qualified"]
    return text_table(header, rows)


Points = list[list[tuple[NegationPoint, Negation]]]


def _points(seeds: Sequence[Sequence[Negation]], attribute: str) -> Points:
    """Of every seed the points that exist; where nothing qualified there is none."""
    return [
        [
            (point, one)
            for one in each
            if isinstance(point := getattr(one, attribute), NegationPoint)
        ]
        for each in seeds
    ]


def _negation_row(model: str, way: str, choice: str, points: Points, control: str) -> list[str]:
    targets = [one.target for _, one in points[0]]
    known = published_negation(model, way, choice, targets=targets, control=control)
    label = way if way == "pre-trained" else f"{way}, {choice}"
    qualified = _once([str(len(each)) for each in points])
    if not all(points):
        return [label, *[""] * 7, qualified]
    return [
        label,
        *_three(known, "target", [_mean(each, "target") for each in points]),
        *_three(known, "control", [_mean(each, "control") for each in points]),
        percent_spread([fmean(others_kept(*pair) for pair in each) for each in points]),
        qualified,
    ]


def others_kept(point: NegationPoint, result: Negation) -> float:
    """Mean over the tasks that were not forgotten of accuracy / accuracy before; NaN for none."""
    shares = [
        scores.accuracy / result.before.others[name].accuracy
        for name, scores in point.others.items()
    ]
    return fmean(shares) if shares else float("nan")


def _once(told: Sequence[str]) -> str:
    """What each seed has, or once what all have."""
    return told[0] if len(set(told)) == 1 else ", ".join(told)


def _mean(pairs: Sequence[tuple[NegationPoint, Negation]], part: str) -> float:
    """The mean accuracy on the "target" or the "control"."""
    return fmean(getattr(point, part).accuracy for point, _ in pairs)


def _three(known: Any, figure: str, measured: Sequence[float]) -> list[str]:
    """The published figure, the measured one, and by how many points it is more."""
    published: float | None = getattr(known, figure, None)
    if published is None:
        return ["-", percent_spread(measured), "-"]
    difference = signed_points(fmean(measured) - published)
    return [percent_spread([published]), percent_spread(measured), difference]
