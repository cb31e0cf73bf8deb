"""Where a NaN or an infinity is, once the kernels have said in which parameters to look."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from taujp.checkpoint import Checkpoint, CheckpointError, tensor_of

from .assembly import inputs_of
from .prepare import Merge

SHOWN = 20


def report_nonfinite(merge: Merge, names: Sequence[str]) -> None:
    """One CheckpointError that lists the first place in each of those parameters, if any."""
    lines = [
        line
        for name in names
        for checkpoint in inputs_of(merge)
        if (line := _first_place(checkpoint, name))
    ]
    if not lines:
        return  # an overflow of the arithmetic, not of an input
    more = f"\n  ... and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    raise CheckpointError(
        "merge: the inputs hold NaN or Inf:\n  "
        + "\n  ".join(lines[:SHOWN])
        + more
        + "\nmend the checkpoints, or merge them as they are with nonfinite='allow' "
        "(--nonfinite allow)"
    )


def _first_place(checkpoint: Checkpoint, name: str) -> str | None:
    flat = tensor_of(checkpoint, name).detach().reshape(-1)
    bad = ~torch.isfinite(flat)
    count = int(bad.sum())
    if count == 0:
        return None
    index = int(bad.to(torch.int8).argmax())
    what = f"{flat[index].item()} at element {index} ({count} of {flat.numel()})"
    return f"{checkpoint.label}: {name!r} holds {what}"
