"""Where a NaN or an infinity is in the inputs of a merge of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import taujp_ext
from taujp.checkpoint import CheckpointError
from taujp.checkpoint.computed import work_out_entry
from taujp.checkpoint.entries import COMPUTED, IN_MEMORY

from .assembly import inputs_of
from .file_plan import FilePlan
from .file_sources import Place

_SHOWN = 20


def report_nonfinite(plan: FilePlan, numbers: Iterable[int]) -> None:
    """One CheckpointError with the first place in each input of these works, if there is any."""
    lines = [line for number in numbers for line in _places(plan, number)]
    if not lines:
        return
    more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    raise CheckpointError(
        "\n  ".join(["merge: the inputs hold NaN or Inf:", *lines[:_SHOWN], *more])
        + "\nmend the checkpoints, or merge them as they are with nonfinite='allow' "
        "(--nonfinite allow)"
    )


def _places(plan: FilePlan, number: int) -> Iterator[str]:
    work = plan.works[number]
    for checkpoint, place in zip(inputs_of(plan.merge_of(number)), work.sources, strict=True):
        index = _first_nonfinite(plan, place, work.size)
        if index >= 0:
            yield f"{checkpoint.label}: {work.names[0]!r}, element {index} of {work.size}"


def _first_nonfinite(plan: FilePlan, place: Place, size: int) -> int:
    """The first element that is NaN or Inf, or -1."""
    file, offset, _, dtype = place
    if file == COMPUTED:
        made = work_out_entry(*plan.computed[offset]).reshape(-1)
        found = made.isfinite().logical_not().nonzero()
        return int(found[0]) if len(found) else -1
    path = "" if file == IN_MEMORY else plan.inputs[file].path
    return int(taujp_ext.stream().first_nonfinite(path, offset, dtype, size))
