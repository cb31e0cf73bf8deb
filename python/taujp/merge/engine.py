"""Runs a job of the file engine and looks after it: what is finished, progress, interruption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import taujp_ext
from taujp.checkpoint import CheckpointError

from .journal import Done

Finished = Sequence[tuple[int, Done]]
_TICK = 0.1  # seconds between two looks; an interruption waits no longer


def run(plan: Any, finished: Callable[[Finished], None], tick: Callable[[int], None]) -> None:
    """Run the engine's plan to its end.

    finished: is handed every tensor that is done, even when the run is then broken off.
    tick: is called with the bytes read so far; what it raises breaks the run off, as Ctrl-C does.
    """
    try:
        _watch(taujp_ext.stream().Job(plan), finished, tick)
    except taujp_ext.stream().InputChanged as error:
        raise CheckpointError(f"merge: {error}") from None


def numbered(
    numbers: Sequence[int], finished: Callable[[Finished], None]
) -> Callable[[Finished], None]:
    """`finished` for a job whose i-th item is known outside as numbers[i]."""
    return lambda batch: finished([(numbers[item], done) for item, done in batch])


def _watch(job: Any, finished: Callable[[Finished], None], tick: Callable[[int], None]) -> None:
    try:
        ended = False
        while not ended:
            ended = job.wait(_TICK)
            finished(_taken(job))
            tick(job.bytes_done)
    finally:
        job.stop()
        finished(_taken(job))


def _taken(job: Any) -> Finished:
    return [(f.item, Done(f.nonfinite, tuple(f.fingerprints))) for f in job.take_finished()]
