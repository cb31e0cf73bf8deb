"""What an adapter adds to one parameter, tau = scale B A, worked out in float64 when it is wanted.

Some rows are made at a time, few enough for the processor's cache, and rounded at the end: besides
the result nothing of its size is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .computed import Computed
from .dtypes import torch_dtype
from .entries import COMPUTED, Checkpoint, Entry
from .tensors import tensor_of

if TYPE_CHECKING:
    import torch

Factors = tuple["torch.Tensor", "torch.Tensor"]  # left [rows, rank], right [rank, columns], float64
_PIECE = 1 << 17  # elements of a product that a thread makes at a time: 1 MB


@dataclass(frozen=True)
class LowRank:
    """scale * B A as a parameter of `shape` has it; `transposed` where it stores [inputs, outputs].

    a, b: the factors' names in `adapter`, [rank, inputs] and [outputs, rank]; of a bias `a` is None
    and `b` its change [outputs].
    """

    adapter: Checkpoint
    a: str | None
    b: str
    scale: float
    shape: tuple[int, ...]
    transposed: bool

    def factors(self) -> Factors:
        """left @ right is the change, 2-D."""
        import torch

        b = tensor_of(self.adapter, self.b).double()
        if self.a is None:
            return b.reshape(-1, 1) * self.scale, torch.ones(1, 1, dtype=torch.float64)
        a = tensor_of(self.adapter, self.a).double()
        left, right = b.reshape(b.shape[0], -1) * self.scale, a.reshape(a.shape[0], -1)
        return (right.mT, left.mT) if self.transposed else (left, right)

    @property
    def rank(self) -> int:
        """Columns of the left factor, from the headers alone."""
        return 1 if self.a is None else self.adapter.entries[self.a].shape[0]

    @property
    def identity(self) -> str:
        """What determines the numbers."""
        used = [self.adapter.entries[name] for name in (self.a, self.b) if name is not None]
        return repr((self.adapter.files, used, self.scale, self.shape, self.transposed))


@dataclass(frozen=True)
class Adapted:
    """theta0 + scale B A in `dtype`: the base's parameter `name`, and what is added to it."""

    change: LowRank
    base: Checkpoint
    name: str
    dtype: str

    def __call__(self) -> torch.Tensor:
        """Rounded from float64."""
        import torch

        result = torch.empty(self.change.shape, dtype=torch_dtype(self.dtype))
        start = tensor_of(self.base, self.name).detach().cpu()
        write_product(self.change.factors(), result, start)
        return result


@dataclass(frozen=True)
class Change:
    """scale B A alone, in fp32."""

    change: LowRank

    def __call__(self) -> torch.Tensor:
        """Rounded from float64."""
        import torch

        result = torch.empty(self.change.shape)
        write_product(self.change.factors(), result)
        return result


@dataclass(frozen=True)
class Nothing:
    """The change of a parameter that the base keeps: zeros, in fp32."""

    shape: tuple[int, ...]

    def __call__(self) -> torch.Tensor:
        """All of them."""
        import torch

        return torch.zeros(self.shape)

    def factors(self) -> Factors:
        """Of rank 0."""
        import torch

        rows, columns = self.shape[0], math.prod(self.shape[1:])
        double = torch.float64
        return torch.zeros(rows, 0, dtype=double), torch.zeros(0, columns, dtype=double)


def is_nothing(checkpoint: Checkpoint, name: str) -> bool:
    """Whether it is the change of a parameter that an adapter leaves as it is."""
    made = checkpoint.entries[name].tensor
    return isinstance(made, Computed) and isinstance(made.make, Nothing)


def low_rank_factors(entry: Entry) -> Factors | None:
    """The factors of what is the change of an adapter; None for any other tensor.

    Of the parameter as [first dimension, the rest]: what a method can use instead of the product.
    """
    change = _low_rank(entry)
    return None if change is None else change.factors()


def rank_of(entry: Entry) -> int | None:
    """The rank of those factors, none of which is read; None for any other tensor."""
    change = _low_rank(entry)
    if isinstance(change, Nothing):
        return 0
    return None if change is None else change.rank


def _low_rank(entry: Entry) -> LowRank | Nothing | None:
    made = entry.tensor.make if isinstance(entry.tensor, Computed) else None
    if isinstance(made, Change):
        return made.change
    return made if isinstance(made, Nothing) and made.shape else None


def adapted(checkpoint: Checkpoint, name: str) -> Adapted | None:
    """How an adapted parameter comes about; None for any other tensor."""
    entry = checkpoint.entries[name]
    made = entry.tensor if entry.file == COMPUTED else None
    return made.make if made is not None and isinstance(made.make, Adapted) else None


def rows_at_a_time(rows: int, columns: int) -> Iterator[slice]:
    """All rows of a product, some at a time: a piece for each of torch's threads."""
    import torch

    step = max(_PIECE * torch.get_num_threads() // max(columns, 1), 1)
    return (slice(first, min(first + step, rows)) for first in range(0, rows, step))


def write_product(factors: Factors, room: torch.Tensor, start: torch.Tensor | None = None) -> None:
    """left @ right, or start + left @ right, into contiguous memory, rounded from float64."""
    left, right = factors
    wide = len(left), right.shape[1]
    flat, before = room.view(wide), None if start is None else start.reshape(wide)
    for rows in rows_at_a_time(*wide):
        product = left[rows] @ right
        flat[rows] = product if before is None else product.add_(before[rows])
