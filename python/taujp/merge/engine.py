"""Runs a job of the file engine and looks after it: what is finished, progress, interruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import taujp_ext
from taujp.checkpoint import CheckpointError

from .gram import Gram
from .journal import Done

Finished = Sequence[tuple[int, Done]]
_TICK = 0.1  # seconds between two looks; an interruption waits no longer


def run(plan: Any, finished: Callable[[Finished], None], tick: Callable[[int], None]) -> None:
    """Run the engine's plan to its end.

    finished: is handed every tensor that is done, even when the run is then broken off.
    tick: is called with the bytes read so far; what it raises breaks the run off, as Ctrl-C does.
    """

    def taken(items: Sequence[Any]) -> None:
        finished([(i.item, Done(i.nonfinite, tuple(i.fingerprints))) for i in items])

    _run(plan, taken, tick)


def multiply(plan: Any, tick: Callable[[int], None]) -> tuple[list[Gram], list[bool]]:
    """Of a plan for products: those of each item, and whether an input of it held NaN or Inf."""
    products: list[Gram] = [[]] * len(plan.items)
    nonfinite = [False] * len(plan.items)

    def taken(items: Sequence[Any]) -> None:
        for i in items:
            n = math.isqrt(len(i.products))
            products[i.item] = [i.products[first : first + n] for first in range(0, n * n, n)]
            nonfinite[i.item] = i.nonfinite

    _run(plan, taken, tick)
    return products, nonfinite


def numbered(
    numbers: Sequence[int], finished: Callable[[Finished], None]
) -> Callable[[Finished], None]:
    """`finished` for a job whose i-th item is known outside as numbers[i]."""
    return lambda batch: finished([(numbers[item], done) for item, done in batch])


def _run(plan: Any, taken: Callable[[Sequence[Any]], None], tick: Callable[[int], None]) -> None:
    try:
        _watch(taujp_ext.stream().Job(plan), taken, tick)
    except taujp_ext.stream().InputChanged as error:
        raise CheckpointError(f"merge: {error}") from None


def _watch(job: Any, taken: Callable[[Sequence[Any]], None], tick: Callable[[int], None]) -> None:
    try:
        ended = False
        while not ended:
            ended = job.wait(_TICK)
            taken(job.take_finished())
            tick(job.bytes_done)
    finally:
        job.stop()
        taken(job.take_finished())
