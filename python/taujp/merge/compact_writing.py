"""Writes a method's vector, masks and factors into one file, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from taujp.checkpoint import tensor_of
from taujp.checkpoint.compact_file import (
    COMPACT,
    KIND,
    VERSION,
    base_digest,
    mask_name,
    packed,
    vector_name,
)
from taujp.checkpoint.layout import LayoutFile, layout_like

from .assembly import inputs_of
from .nonfinite import report_nonfinite
from .parameter import Inputs, NonfiniteInput, Parameter, pieces
from .prepare import Merge
from .survey import surveyed

if TYPE_CHECKING:
    from torch import Tensor

    from .masked import Masked

_ELEMENTS = 1 << 15  # of a piece: whole bytes of bits, and it stays in the cache


def write_compact(merge: Merge, tasks: Sequence[str], path: Path) -> int:
    """Write the file of a method `per_task` that gives masks; its bytes.

    Raises CheckpointError that names the parameter where an input holds NaN or Inf.
    """
    try:
        found = surveyed(merge, lambda name: _inputs(merge, name))
        layout = _layout(merge, tasks, found)
        with path.open("wb") as stream:
            _write(stream, layout, merge, found)
    except NonfiniteInput as error:
        report_nonfinite(merge, [str(error)])
        raise
    return layout.size


@dataclass(frozen=True)
class _Stored:
    """Inputs of one parameter, flat: in memory, or pages of files, read as they are used."""

    tensors: list[Tensor]

    def __call__(self, position: int, first: int, count: int) -> Tensor:
        return self.tensors[position][first : first + count]


def _inputs(merge: Merge, name: str) -> Inputs:
    tensors = (tensor_of(checkpoint, name).detach().cpu() for checkpoint in inputs_of(merge))
    return _Stored([tensor.reshape(-1) for tensor in tensors])


def _masked(merge: Merge, name: str, found: Any) -> Iterable[tuple[int, Masked]]:
    """The parameter piece by piece, with each piece's first element."""
    assert merge.formula is not None
    assert merge.formula.masked is not None
    rows = merge.coefficients.tables[merge.coefficients.group_of(name)][:1]
    inputs = _inputs(merge, name)
    for first, count in pieces(merge.donor.entries[name].size, _ELEMENTS):
        parameter = Parameter(merge, name, rows, inputs, (count,), first, found)
        yield first, merge.formula.masked(parameter)


def _write(stream: BinaryIO, layout: LayoutFile, merge: Merge, found: Any) -> None:
    stream.write(layout.header)
    stream.truncate(layout.size)
    for name in merge.names:
        for first, masked in _masked(merge, name, found):
            stream.seek(layout.offsets[vector_name(name)] + 4 * first)
            stream.write(masked.vector.numpy().data)
            for task, mask in enumerate(masked.masks):
                stream.seek(layout.offsets[mask_name(task, name)] + first // 8)
                stream.write(packed(mask).numpy().data)


def _layout(merge: Merge, tasks: Sequence[str], found: Any) -> LayoutFile:
    tensors = {}
    for name in merge.names:
        entry = merge.donor.entries[name]
        tensors[vector_name(name)] = ("F32", entry.shape)
        for task in range(len(merge.checkpoints)):
            tensors[mask_name(task, name)] = ("U8", (-(-entry.size // 8),))
    told = {
        "version": VERSION,
        "tasks": list(tasks),
        "factors": _factors(merge, found),
        "method": merge.method,
        "base": base_digest(merge.donor, merge.names),
        "options": {key: value for key, value in merge.options.items() if key != "lambda_"},
    }
    metadata = {KIND: "compact", COMPACT: json.dumps(told)}
    (file,) = layout_like(merge.donor, tensors, metadata=metadata, one_file=True).files
    return file


def _factors(merge: Merge, found: Any) -> list[float]:
    """The tasks' factors, which every parameter has; 1 where there is no element at all."""
    every = (masked.factors for name in merge.names for _, masked in _masked(merge, name, found))
    return next(every, [1.0] * len(merge.checkpoints))
