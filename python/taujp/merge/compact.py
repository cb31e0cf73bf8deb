"""Models of many tasks, kept small: one vector, and for each task a bit an element."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from taujp.checkpoint import open_checkpoint
from taujp.checkpoint.compact_file import open_task
from taujp.checkpoint.dtypes import byte_count

from .assembly import inputs_of
from .errors import MergeError
from .merge_many import merge_many
from .method import methods
from .output_layout import SUFFIX, target_of
from .partial_output import PartialOutput, check_target
from .per_task import task_names
from .prepare import Merge, prepare


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
    from .compact_writing import write_compact  # imports torch

    merge = prepare(ckpts, coefs, base, method=method, **options)
    if merge.formula is None or merge.formula.masked is None:
        known = ", ".join(name for name, one in methods().items() if one.per_task)
        raise MergeError(f"compact: {method} makes no model for each task; use one of {known}")
    target = target_of(out)
    if target.suffix != SUFFIX:
        raise MergeError(f"compact: out is {str(out)!r}; expected a name that ends in {SUFFIX}")
    inputs = [file.path for c in inputs_of(merge) for file in c.files]
    check_target(target, overwrite=overwrite, writes=(), inputs=inputs)
    tasks = _tasks(merge)
    with PartialOutput(target) as partial:
        try:
            partial.clear()
            size = write_compact(merge, tasks, partial.content)
            partial.publish()
        except BaseException:
            partial.discard()
            raise
    return Compact(str(target), tuple(tasks), size, _models(merge))


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


def _tasks(merge: Merge) -> list[str]:
    return task_names(merge.checkpoints) or [str(i) for i in range(len(merge.checkpoints))]


def _models(merge: Merge) -> int:
    """Bytes of the models of all tasks, each written whole."""
    one = sum(byte_count(e.dtype, e.shape) for e in merge.donor.entries.values())
    return one * len(merge.checkpoints)
