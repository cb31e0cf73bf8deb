"""Where a NaN or an infinity is in the inputs of a merge of files; needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import taujp_ext
from taujp.checkpoint import CheckpointError
from taujp.checkpoint.entries import IN_MEMORY

from .file_plan import FilePlan

_SHOWN = 20


def report_nonfinite(plan: FilePlan, numbers: Iterable[int]) -> None:
    """One CheckpointError with the first place in each input of these works, if there is any."""
    lines = [line for number in numbers for line in _places(plan, number)]
    if not lines:
        return
    more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    raise CheckpointError(
        "\n  ".join(["merge: the inputs hold NaN or Inf:", *lines[:_SHOWN], *more])
        + "\nmend the checkpoints, or merge them as they are with nonfinite='allow'"
    )


def _places(plan: FilePlan, number: int) -> Iterator[str]:
    work = plan.works[number]
    for checkpoint, (file, offset, _, dtype) in zip(plan.checkpoints, work.sources, strict=True):
        path = "" if file == IN_MEMORY else plan.inputs[file].path
        index = taujp_ext.stream().first_nonfinite(path, offset, dtype, work.size)
        if index >= 0:
            yield f"{checkpoint.label}: {work.names[0]!r}, element {index} of {work.size}"
