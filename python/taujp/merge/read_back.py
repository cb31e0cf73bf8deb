"""Reads what was written and says what it is: the check before an output gets its name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import taujp_ext

from .engine import Finished, run
from .file_plan import FilePlan
from .file_sources import Place


def intact(plan: FilePlan, content: Path, written: dict[int, tuple[int, ...]]) -> set[int]:
    """Of these works, with the fingerprints of their K results, those still as written."""
    found = _fingerprints(plan, content, written)
    names = {number: len(plan.works[number].names) for number in written}
    return {n for n, fingerprints in written.items() if found[n] == fingerprints * names[n]}


def _fingerprints(
    plan: FilePlan, content: Path, numbers: Collection[int]
) -> dict[int, tuple[int, ...]]:
    stream = taujp_ext.stream()
    places = [(n, place) for n in numbers for place in plan.works[n].targets]
    job = stream.Plan()
    job.inputs = [_as_it_is(stream, content / output.path) for output in plan.outputs]
    job.items = [_all_bytes(stream, plan.works[n].size, place) for n, place in places]
    job.threads = plan.threads
    by_number: dict[int, dict[int, int]] = {n: {} for n in numbers}

    def collect(finished: Finished) -> None:
        for item, done in finished:
            by_number[places[item][0]][item] = done.fingerprints[0]

    run(job, collect, lambda _: None)
    return {n: tuple(f for _, f in sorted(found.items())) for n, found in by_number.items()}


def _all_bytes(stream: Any, size: int, place: Place) -> Any:
    file, offset, width, _ = place
    sources = [(file, offset, 1, 0)]
    return stream.Item(copy=True, size=size * width, coefs=0, sources=sources, targets=[], keys=[])


def _as_it_is(stream: Any, path: Path) -> Any:
    status = path.stat()
    return stream.InputFile(str(path), status.st_size, status.st_mtime_ns)
