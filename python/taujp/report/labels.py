"""What a report calls a result: its way of fine-tuning, and what else tells it from others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from taujp.evaluate.record import Record
from taujp.report.published import WAYS

BY_MODE = {"standard": "non-linear", "post-hoc": "non-linear"}
UNUSUAL = {
    ("mode", "post-hoc"): "post-hoc linearised",
    ("scheme", "task"): "a coefficient a task",
    ("scheme", "layer"): "a coefficient a layer",
    ("training", "jointly"): "trained jointly",
    ("vector", "random"): "random vector",
    ("vector", "gradient ascent"): "gradient ascent",
    ("rule", "least_target"): "rule of least target accuracy",
}


def label_of(record: Record) -> str:
    """ "linear + tauJp", "non-linear, ties (density 0.2)", "linear, random vector"."""
    mode = getattr(record.result, "mode", "")
    way = record.provenance.way or BY_MODE.get(mode, mode) or "unnamed way"
    return ", ".join([way, *_merge(record.result), *_unusual(record.result)])


def in_order(labels: Iterable[str]) -> list[str]:
    """The published ways first, then the others as they come; a way before its variants."""
    unique = list(dict.fromkeys(labels))
    ways = list(dict.fromkeys([*WAYS, *(way_of(label) for label in unique)]))
    return sorted(unique, key=lambda label: (ways.index(way_of(label)), label != way_of(label)))


def way_of(label: str) -> str:
    """The way of fine-tuning in a label, without the variant."""
    return label.partition(", ")[0]


def in_lines(label: str) -> str:
    """The label for the foot of a plot's column."""
    return label.replace(" + ", "\n+ ").replace(", ", ",\n")


def _unusual(result: Any) -> list[str]:
    """What differs from the usual protocol."""
    return [words for (name, value), words in UNUSUAL.items() if getattr(result, name, "") == value]


def _merge(result: Any) -> list[str]:
    """The method of merging where it is not the plain sum."""
    method = getattr(result, "method", "task_arithmetic")
    if method == "task_arithmetic":
        return []
    options = sorted(getattr(result, "options", {}).items())
    told = "; ".join(f"{name} {value}" for name, value in options)
    return [f"{method.replace('_', ' ')} ({told})" if told else method.replace("_", " ")]
