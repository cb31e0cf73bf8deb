"""Models of many tasks, kept small: one vector, and for each task a bit an element."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from taujp.checkpoint import open_checkpoint, tensor_of
from taujp.checkpoint.compact_file import (
    COMPACT,
    KIND,
    VERSION,
    mask_name,
    open_task,
    packed,
    vector_name,
)
from taujp.checkpoint.dtypes import byte_count
from taujp.checkpoint.layout import LayoutFile, layout_like

from .assembly import inputs_of
from .errors import MergeError
from .merge_many import merge_many
from .method import methods
from .output_layout import SUFFIX
from .parameter import Inputs, NonfiniteInput, Parameter, pieces
from .partial_output import PartialOutput, check_target
from .per_task import task_names
from .prepare import Merge, prepare
from .survey import surveyed

if TYPE_CHECKING:
    from torch import Tensor

    from .masked import Masked

_ELEMENTS = 1 << 15  # of a piece: whole bytes of bits, and it stays in the cache


@dataclass(frozen=True)
class Compact:
    """What `compact` wrote. bytes: of the file; models: of the task models that it stands for."""

    path: str
    tasks: tuple[str, ...]
    bytes: int
    models: int


def compact(
    ckpts: Iterable[Any],
    coefs: Any,
    base: Any,
    out: str | os.PathLike[str],
    *,
    method: str = "emr",
    overwrite: bool = False,
    **options: Any,
) -> Compact:
    """Keep many fine-tuned models in little more than one: what `emr` or `tall_mask` makes of them.

    The file holds one vector in fp32 and for each task a bit an element and a factor: 4 + N / 8
    bytes an element for N tasks. With the base, which is kept beside it, `rebuild` makes the model
    of any task, equal to what `merge_many` gives with that method.

    Args:
      ckpts, coefs, base, options: as `merge_many` takes them; lambda_ is given to `rebuild`.
      out: a name that ends in .safetensors.
      method: one with a model for each task.
      overwrite: replace a file that exists, once the new one is complete.

    Memory: pieces of a parameter; files are read as they are used. Raises as `merge_many` does.
    Source: Huang et al. 2024, arXiv 2405.17461; Wang et al. 2024, arXiv 2405.07813.
    """
    if "lambda_" in options:
        raise MergeError("compact: lambda_ scales a task's vector when it is rebuilt; leave it out")
    merge = prepare(ckpts, coefs, base, method=method, **options)
    if merge.formula is None or merge.formula.masked is None:
        known = ", ".join(name for name, one in methods().items() if one.per_task)
        raise MergeError(f"compact: {method} makes no model for each task; use one of {known}")
    target = Path(os.path.abspath(out))
    if target.suffix != SUFFIX:
        raise MergeError(f"compact: out is {str(out)!r}; expected a name that ends in {SUFFIX}")
    inputs = [file.path for c in inputs_of(merge) for file in c.files]
    check_target(target, overwrite=overwrite, writes=(), inputs=inputs)
    found = _surveyed(merge)
    layout = _layout(merge, found)
    with PartialOutput(target) as partial:
        try:
            partial.clear()
            with partial.content.open("wb") as stream:
                _write(stream, layout, merge, found)
            partial.publish()
        except BaseException:
            partial.discard()
            raise
    return Compact(str(target), tuple(_tasks(merge)), layout.size, _models(merge))


def rebuild(
    path: str | os.PathLike[str],
    task: str | int,
    base: Any,
    *,
    lambda_: float = 1.0,
    out: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Any:
    """The model of one task out of a compact file: theta0 + lambda_ factor_i mask_i vector.

    Args:
      path: what `compact` wrote. task: its name, or its number. base: theta0, the same as there.
      out, options: as of `merge_many` (dtype, shard_size, overwrite, ...).

    Returns: a state dict, or with `out` the path. Raises CheckpointError for another base's file.
    """
    theta0 = open_checkpoint(base, rename=options.pop("rename", None))
    vector = open_task(path, task, theta0)
    return merge_many(
        [vector],
        [1.0],
        theta0,
        method="task_arithmetic",
        deltas=True,
        missing="ignore",
        lambda_=lambda_,
        out=out,
        **options,
    )


@dataclass(frozen=True)
class _Stored:
    """Inputs of one parameter, flat: in memory, or pages of files, read as they are used."""

    tensors: list[Tensor]

    def __call__(self, position: int, first: int, count: int) -> Tensor:
        return self.tensors[position][first : first + count]


def _inputs(merge: Merge, name: str) -> Inputs:
    tensors = (tensor_of(checkpoint, name).detach().cpu() for checkpoint in inputs_of(merge))
    return _Stored([tensor.reshape(-1) for tensor in tensors])


def _surveyed(merge: Merge) -> Any:
    try:
        return surveyed(merge, lambda name: _inputs(merge, name))
    except NonfiniteInput as error:
        _report(merge, error)
        raise


def _masked(merge: Merge, name: str, found: Any) -> Iterable[tuple[int, Masked]]:
    """The parameter piece by piece, with each piece's first element."""
    assert merge.formula is not None
    assert merge.formula.masked is not None
    rows = merge.coefficients.tables[merge.coefficients.group_of(name)][:1]
    inputs = _inputs(merge, name)
    for first, count in pieces(merge.donor.entries[name].size, _ELEMENTS):
        parameter = Parameter(merge, name, rows, inputs, (count,), first, found)
        try:
            yield first, merge.formula.masked(parameter)
        except NonfiniteInput as error:
            _report(merge, error)
            raise


def _report(merge: Merge, error: NonfiniteInput) -> None:
    from .nonfinite import report_nonfinite

    report_nonfinite(merge, [str(error)])


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


def _layout(merge: Merge, found: Any) -> LayoutFile:
    tensors = {}
    for name in merge.names:
        entry = merge.donor.entries[name]
        tensors[vector_name(name)] = ("F32", entry.shape)
        for task in range(len(merge.checkpoints)):
            tensors[mask_name(task, name)] = ("U8", (-(-entry.size // 8),))
    told = {
        "version": VERSION,
        "tasks": _tasks(merge),
        "factors": _factors(merge, found),
        "method": merge.method,
        "options": {key: value for key, value in merge.options.items() if key != "lambda_"},
    }
    metadata = {KIND: "compact", COMPACT: json.dumps(told)}
    (file,) = layout_like(merge.donor, tensors, metadata=metadata, one_file=True).files
    return file


def _factors(merge: Merge, found: Any) -> list[float]:
    """The tasks' factors, which every parameter has; 1 where there is no element at all."""
    every = (masked.factors for name in merge.names for _, masked in _masked(merge, name, found))
    return next(every, [1.0] * len(merge.checkpoints))


def _tasks(merge: Merge) -> list[str]:
    return task_names(merge.checkpoints) or [str(i) for i in range(len(merge.checkpoints))]


def _models(merge: Merge) -> int:
    """Bytes of the models of all tasks, each written whole."""
    one = sum(byte_count(e.dtype, e.shape) for e in merge.donor.entries.values())
    return one * len(merge.checkpoints)
