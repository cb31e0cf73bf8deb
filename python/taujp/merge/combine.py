"""What a lazy task vector stands for: applied to a base, written down, multiplied with others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

import taujp_ext
from taujp.checkpoint import Checkpoint, open_checkpoint, tensor_of

from .errors import MergeError
from .gram import mirrored
from .in_memory import device_of
from .merge_many import merge_many
from .task_vector import KIND, TASK_VECTOR, TaskVector, agreed_names, same_checkpoint

if TYPE_CHECKING:
    Rows = list[list[float]]


def apply_vector(vector: TaskVector, base: Any, scale: float = 1.0, **options: Any) -> Any:
    """theta0 + scale * tau: task arithmetic in one pass, over models or over saved vectors."""
    theta0 = open_checkpoint(base)
    factors = [scale * term.coefficient for term in vector.terms]
    if all(term.delta for term in vector.terms) and vector.terms:
        deltas = [term.checkpoint for term in vector.terms]
        return merge_many(deltas, factors, base=theta0, deltas=True, **options)
    if not any(term.delta for term in vector.terms):
        return _apply_models(vector, theta0, factors, **options)
    # Models and saved vectors together: sum_j c_j X_j over all of them, theta0 among them.
    checkpoints = [theta0, *(term.checkpoint for term in vector.terms)]
    return merge_many(checkpoints, [1.0, *factors], method="linear", **options)


def _apply_models(
    vector: TaskVector, theta0: Checkpoint, factors: list[float], **options: Any
) -> Any:
    """The coefficients of models sum to zero, so each may count from theta0 instead of its base."""
    moved = [
        (term.checkpoint, factor)
        for term, factor in zip(vector.terms, factors, strict=True)
        if not same_checkpoint(term.checkpoint, theta0)
    ]
    checkpoints, rest = [c for c, _ in moved] or [theta0], [f for _, f in moved] or [0.0]
    return merge_many(checkpoints, rest, base=theta0, **options)


def save_vector(
    vector: TaskVector, path: str | os.PathLike[str], *, dtype: Any = "float32", **options: Any
) -> str:
    """tau itself, as a safetensors file that says what it is."""
    if not str(path).endswith(".safetensors"):
        raise MergeError(f"TaskVector.save: {str(path)!r} must end in .safetensors")
    if not vector.terms:
        raise MergeError("TaskVector.save: the task vector is zero: its terms cancel")
    checkpoints = [term.checkpoint for term in vector.terms]
    return merge_many(
        checkpoints,
        [term.coefficient for term in vector.terms],
        method="linear",
        out=path,
        dtype=dtype,
        metadata={KIND: TASK_VECTOR},
        **options,
    )


def sources_of(vectors: Sequence[TaskVector]) -> tuple[list[Checkpoint], Rows]:
    """The checkpoints under all vectors, and each vector as a row of coefficients over them.

    Raises MergeError where saved vectors and models are mixed.
    """
    kinds = {term.delta for vector in vectors for term in vector.terms}
    if len(kinds) > 1:
        raise MergeError(
            "task vectors from saved files and from models cannot be measured or edited together; "
            "save all of them (TaskVector.save), or build all of them from models"
        )
    checkpoints: list[Checkpoint] = []
    rows: Rows = [[] for _ in vectors]
    for vector, row in zip(vectors, rows, strict=True):
        for term in vector.terms:
            at = next(
                (k for k, c in enumerate(checkpoints) if same_checkpoint(c, term.checkpoint)), None
            )
            if at is None:
                at = len(checkpoints)
                checkpoints.append(term.checkpoint)
            row.extend([0.0] * (at + 1 - len(row)))
            row[at] += term.coefficient
    for row in rows:
        row.extend([0.0] * (len(checkpoints) - len(row)))
    return checkpoints, rows


def products(vectors: Sequence[TaskVector]) -> torch.Tensor:
    """All dot products [V, V] of V task vectors, float64, in one pass over their checkpoints."""
    taujp_ext.load()
    checkpoints, rows = sources_of(vectors)
    if not checkpoints:
        return torch.zeros(len(vectors), len(vectors), dtype=torch.float64)
    deltas = any(term.delta for vector in vectors for term in vector.terms)
    names = agreed_names(checkpoints)
    device = device_of(checkpoints)

    def read(checkpoint: Checkpoint, name: str) -> torch.Tensor:
        return tensor_of(checkpoint, name).detach().to(device).contiguous()

    # Counted from one of the models, so that equal parameters give exact zeros.
    bases = [] if deltas else [read(checkpoints[-1], name) for name in names]
    upper = torch.ops.taujp.products(
        [read(checkpoint, name) for name in names for checkpoint in checkpoints],
        bases,
        torch.tensor([rows], dtype=torch.float32),
        deltas,
        len(vectors),
        torch.get_num_threads(),
    )
    return torch.tensor(mirrored(upper.tolist()), dtype=torch.float64)
