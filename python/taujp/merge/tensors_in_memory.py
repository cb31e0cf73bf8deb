"""Whole-tensor methods over tensors in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import torch

from .coefficients import Row
from .launch import launch
from .nonfinite import report_nonfinite
from .parameter import NonfiniteInput
from .prepare import Merge
from .side_by_side import side_by_side
from .survey import surveyed
from .tensor_work import work_out


@dataclass(frozen=True)
class _Held:
    """The base, if there is one, and N checkpoints of a parameter, flat and contiguous."""

    tensors: list[torch.Tensor]

    def __call__(self, position: int, first: int, count: int) -> torch.Tensor:
        return self.tensors[position][first : first + count]


def merge_tensors(
    merge: Merge,
    names: Sequence[str],
    sources: list[torch.Tensor],
    bases: list[torch.Tensor],
    results: list[torch.Tensor],
) -> torch.Tensor:
    """Like `call_kernel`: sources [P * N], bases [P] or none, results [P * K]; returns [P] int8.

    Blends of all parameters are one launch at the end.
    """
    n, k = len(merge.checkpoints), len(merge.lambdas)
    number = {name: p for p, name in enumerate(names)}

    def inputs_of(name: str) -> _Held:
        p = number[name]
        inputs = [*bases[p : p + 1], *sources[p * n : (p + 1) * n]]
        return _Held([tensor.view(-1) for tensor in inputs])

    def weights_of(name: str) -> list[Row] | None:
        rooms = results[number[name] * k : (number[name] + 1) * k]
        return work_out(merge, name, inputs_of(name), rooms.__getitem__, found)

    try:
        found = surveyed(merge, inputs_of)
        pieces = ((results[p * k].numel(), partial(weights_of, name)) for name, p in number.items())
        with closing(side_by_side(pieces, _at_once(merge, sources))) as done:
            worked = dict(zip(number.values(), done, strict=True))
        blended = {p: weights for p, weights in worked.items() if weights is not None}
    except NonfiniteInput as error:
        report_nonfinite(merge, [str(error)])
        raise
    return _launch_blends(merge, names, blended, sources, bases, results)


def _launch_blends(
    merge: Merge,
    names: Sequence[str],
    blended: Mapping[int, list[Row]],
    sources: list[torch.Tensor],
    bases: list[torch.Tensor],
    results: list[torch.Tensor],
) -> torch.Tensor:
    """The parameters by their numbers p whose weights [K][N] are known; faults of all, [P]."""
    n, k = len(merge.checkpoints), len(merge.lambdas)
    faults = torch.zeros(len(names), dtype=torch.int8)
    if blended:
        chosen = list(blended)
        faults[chosen] = launch(
            merge,
            [names[p] for p in chosen],
            torch.tensor(list(blended.values()), dtype=torch.float32),
            torch.arange(len(chosen)),
            [s for p in chosen for s in sources[p * n : (p + 1) * n]],
            [bases[p] for p in chosen] if bases else [],
            [r for p in chosen for r in results[p * k : (p + 1) * k]],
        ).cpu()
    return faults


def _at_once(merge: Merge, sources: Sequence[torch.Tensor]) -> int:
    """How many parameters may be worked out at once."""
    assert merge.formula is not None
    many = merge.formula.decomposes and all(source.device.type == "cpu" for source in sources)
    return torch.get_num_threads() if many else 1
