"""Results that float16 cannot hold: finite inputs, and yet infinities to be written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import taujp_ext

from .errors import MergeError
from .file_plan import FilePlan

if TYPE_CHECKING:
    import torch

NARROW = "F16"  # ends at 65,504; the others reach as far as the arithmetic
_SHOWN = 5


class Overflow(MergeError):
    """A result is too large for the dtype that it is written in."""


def check_written(plan: FilePlan, content: Path, numbers: Iterable[int]) -> None:
    """Refuse what these works wrote where it is float16 and not finite; reads only such tensors."""
    lost = []
    for number in numbers:
        work = plan.works[number]
        if work.copy or plan.assembly.dtype_of(work.names[0]) != NARROW:
            continue
        if plan.merge_of(number).allow_nonfinite:
            continue
        for file, offset, _, dtype in work.targets[: plan.assembly.results]:
            path = str(content / plan.outputs[file].path)
            index = taujp_ext.stream().first_nonfinite(path, offset, dtype, work.size)
            if index >= 0:
                lost.append(f"{work.names[0]!r}, element {index} of {work.size}")
    _refuse(lost)


def check_results(names: Iterable[str], results: Iterable[torch.Tensor]) -> None:
    """The same of results in memory, by their names."""
    import torch

    _refuse(
        [
            repr(name)
            for name, result in zip(names, results, strict=True)
            if result.dtype == torch.float16 and not bool(result.isfinite().all())
        ]
    )


def _refuse(lost: list[str]) -> None:
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise Overflow(
            f"merge: results are too large for float16, which ends at 65504: "
            f"{'; '.join(lost[:_SHOWN])}{more}; write bfloat16 or float32 (dtype), lower the "
            f"coefficients, or write the infinities with nonfinite='allow' (--nonfinite allow)"
        )
