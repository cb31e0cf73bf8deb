"""Methods that give a model for each checkpoint: K = N results from one row of coefficients."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from taujp.checkpoint import Checkpoint

from .coefficients import Coefficients, Row
from .errors import MergeError


def for_each_task(
    method: str, coefficients: Coefficients, lambdas: Row, tasks: int
) -> tuple[Coefficients, Row]:
    """The one row for each of N results; one lambda for all of them, or N.

    Raises MergeError for several rows: what they would make is N models each.
    """
    if any(len(set(table)) > 1 for table in coefficients.tables):
        raise MergeError(
            f"{method} makes a model for each of its {tasks} checkpoints from one row of coefs; it "
            f"got {coefficients.results} rows: call it for each"
        )
    if len(lambdas) == 1 or len(set(lambdas)) == 1:
        lambdas = lambdas[:1] * tasks
    if len(lambdas) != tasks:
        raise MergeError(
            f"{method}: lambda_ has {len(lambdas)} values; expected one, or one for each of its "
            f"{tasks} checkpoints"
        )
    tables = tuple(table[:1] * tasks for table in coefficients.tables)
    return replace(coefficients, tables=tables, single=False), lambdas


def task_names(checkpoints: Sequence[Checkpoint]) -> list[str] | None:
    """The checkpoints' own names, for the files of the results; None where they do not differ."""
    names = [_name(checkpoint) for checkpoint in checkpoints]
    return names if all(names) and len(set(names)) == len(names) else None


def _name(checkpoint: Checkpoint) -> str:
    if checkpoint.folder:
        return os.path.basename(os.path.normpath(checkpoint.folder))
    paths = [file.path for file in checkpoint.files]
    return os.path.splitext(os.path.basename(paths[0]))[0] if paths else ""
