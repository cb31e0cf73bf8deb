"""Which methods are in which table, from what is registered."""

from __future__ import annotations

import taujp
from taujp.merge.method import Method

ADAPTERS = ("knots",)  # made for LoRA adapters; on full fine-tunes they lose what they are for
REFERENCES = ("average", "task_arithmetic")  # beside the methods of two models


def of_sums() -> list[str]:
    """One model of all four fine-tunes."""
    return [m.name for m in _data_free() if _takes_four(m) and m.name not in ADAPTERS]


def of_adapters() -> list[str]:
    """The same by methods that are made for adapters."""
    return [m.name for m in _data_free() if m.name in ADAPTERS]


def of_pairs() -> list[str]:
    """One model of two fine-tunes, and what to compare it with."""
    return [*REFERENCES, *(m.name for m in _data_free() if m.most == 2)]


def of_tasks() -> list[str]:
    """A model for each task."""
    return [m.name for m in _data_free() if m.per_task]


def left_out() -> dict[str, list[str]]:
    """What is in no table, by the reason."""
    every = taujp.methods().values()
    return {
        "need data": [m.name for m in every if m.statistics is not None],
        "take one fine-tune": [m.name for m in _data_free() if m.most == 1],
    }


def _data_free() -> list[Method]:
    return [method for method in taujp.methods().values() if method.statistics is None]


def _takes_four(method: Method) -> bool:
    return not method.per_task and method.fewest <= 4 <= (method.most or 4)
