"""Lazy task vectors: algebra only combines coefficients; `apply` is one pass of the kernels."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taujp.checkpoint import Checkpoint, check_agreement, open_adapted, open_checkpoint
from taujp.checkpoint.lora_folder import is_adapter

from .errors import MergeError

KIND = "taujp.kind"
TASK_VECTOR = "task vector"


@dataclass(frozen=True)
class Term:
    """coefficient * checkpoint; a `delta` is a task vector that was saved, not a model."""

    coefficient: float
    checkpoint: Checkpoint
    delta: bool


class TaskVector:
    """What fine-tuning changed, as an expression: tau = theta - theta0, and sums of such.

    Nothing is read or computed until it is applied, saved or measured. `a + b`, `a - b`, `-a`,
    `0.4 * a`, `a / 2`, `sum([a, b])` and `c + (b - a)` ("a is to b as c is to ...") are task
    vectors again. Source: Ilharco et al. 2023, arXiv 2212.04089.

    Args:
      base, finetuned: theta0 and theta: anything that `open_checkpoint` takes; theta may be the
        folder of a PEFT adapter of theta0.
      rename: {regular expression: replacement} for the names of both.
    """

    terms: tuple[Term, ...]

    def __init__(
        self, base: Any, finetuned: Any, *, rename: Mapping[str, str] | None = None
    ) -> None:
        start = open_checkpoint(base)
        tuned = open_adapted(start, finetuned, dtype="F32") if is_adapter(finetuned) else finetuned
        plus, minus = (open_checkpoint(source, rename=rename) for source in (tuned, start))
        self.terms = _collected([Term(1.0, plus, False), Term(-1.0, minus, False)])

    @classmethod
    def _of(cls, terms: Sequence[Term]) -> TaskVector:
        vector = cls.__new__(cls)
        vector.terms = _collected(terms)
        return vector

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TaskVector:
        """A task vector that `save` wrote; MergeError for a file that holds a model instead."""
        checkpoint = open_checkpoint(path)
        if checkpoint.metadata.get(KIND) != TASK_VECTOR:
            raise MergeError(
                f"TaskVector.load: {str(path)!r} holds a model, not a task vector; use "
                f"TaskVector(base, finetuned)"
            )
        return cls._of([Term(1.0, checkpoint, True)])

    def __add__(self, other: Any) -> TaskVector:
        if other == 0:  # sum() starts from it
            return self
        return (
            TaskVector._of([*self.terms, *other.terms])
            if isinstance(other, TaskVector)
            else NotImplemented
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> TaskVector:
        return self + (-other) if isinstance(other, TaskVector) else NotImplemented

    def __neg__(self) -> TaskVector:
        return -1.0 * self

    def __mul__(self, factor: Any) -> TaskVector:
        if isinstance(factor, TaskVector):
            raise TypeError("TaskVector * TaskVector: use a.dot(b)")
        number = float(factor)
        if not math.isfinite(number):
            raise MergeError(f"TaskVector: the factor is {number}; expected a finite number")
        return TaskVector._of(
            [Term(number * t.coefficient, t.checkpoint, t.delta) for t in self.terms]
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> TaskVector:
        return self * (1.0 / float(divisor))

    def __repr__(self) -> str:
        parts = [f"{t.coefficient:+g} * {t.checkpoint.label}" for t in self.terms]
        return f"TaskVector({' '.join(parts) or '0'})"

    def apply(self, base: Any, scale: float = 1.0, **options: Any) -> Any:
        """theta0 + scale * tau, a state dict like the base's; one pass over memory.

        options: those of `merge_many` (out, dtype, prefix, ...).
        """
        from .combine import apply_vector

        return apply_vector(self, base, scale, **options)

    def save(self, path: str | os.PathLike[str], **options: Any) -> str:
        """Write tau itself as a safetensors file, in fp32 unless `dtype` says otherwise."""
        from .combine import save_vector

        return save_vector(self, path, **options)

    def dot(self, other: TaskVector) -> float:
        """<tau, other> over all floating parameters, summed in float64."""
        from .combine import products

        return float(products([self, other])[0, 1])

    def norm(self) -> float:
        """||tau||_2 over all floating parameters."""
        from .combine import products

        return math.sqrt(float(products([self])[0, 0]))

    def cosine(self, other: TaskVector) -> float:
        """<a, b> / (||a|| ||b||); 0 where one of them is 0."""
        return float(cosine_matrix([self, other])[0, 1])


def cosine_matrix(vectors: Sequence[TaskVector]) -> Any:
    """All cosines of N task vectors, [N, N] float64, in one pass; a zero vector has cosine 0."""
    from .combine import products

    if not vectors:
        raise MergeError("cosine_matrix: no task vectors; expected at least one")
    dots = products(list(vectors))
    norms = dots.diagonal().sqrt()
    scale = norms[:, None] * norms[None, :]
    return (dots / scale.where(scale > 0, 1.0)).fill_diagonal_(1.0).where(scale > 0, 0.0)


def same_checkpoint(a: Checkpoint, b: Checkpoint) -> bool:
    """Whether both are the same files, or the same tensors in memory."""
    if a.files or b.files:
        return a.files == b.files and a.entries.keys() == b.entries.keys()
    return a is b or (
        a.entries.keys() == b.entries.keys()
        and all(a.entries[name].tensor is b.entries[name].tensor for name in a.entries)
    )


def _collected(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Terms of one checkpoint added up, zeros left out."""
    found: list[Term] = []
    for term in terms:
        for k, other in enumerate(found):
            if other.delta == term.delta and same_checkpoint(other.checkpoint, term.checkpoint):
                found[k] = Term(other.coefficient + term.coefficient, other.checkpoint, other.delta)
                break
        else:
            found.append(term)
    return tuple(term for term in found if term.coefficient != 0.0)


def agreed_names(checkpoints: Sequence[Checkpoint]) -> tuple[str, ...]:
    """The floating parameters that all of them have, after their agreement was checked."""
    return check_agreement(None, tuple(checkpoints)).names
