"""What an adapter adds to one parameter, tau = scale B A, worked out in float64 when it is wanted.

Of a large product some rows are made at a time, and rounded at the end, so that besides the result
nothing of its size is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .computed import Computed
from .dtypes import torch_dtype
from .entries import COMPUTED, Checkpoint
from .tensors import tensor_of

if TYPE_CHECKING:
    import torch

_PIECE = 1 << 22  # elements of the product that are made at a time: 32 MB, in few operations


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

    def factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """left [rows, rank] and right [rank, columns], float64; left @ right is the change, 2-D."""
        import torch

        b = tensor_of(self.adapter, self.b).double()
        if self.a is None:
            return b.reshape(-1, 1) * self.scale, torch.ones(1, 1, dtype=torch.float64)
        a = tensor_of(self.adapter, self.a).double()
        left, right = b.reshape(b.shape[0], -1) * self.scale, a.reshape(a.shape[0], -1)
        return (right.mT, left.mT) if self.transposed else (left, right)

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
        theta0 = tensor_of(self.base, self.name).detach().cpu()
        return _filled(self.change, self.dtype, theta0.reshape(-1))


@dataclass(frozen=True)
class Change:
    """scale B A alone, in fp32."""

    change: LowRank

    def __call__(self) -> torch.Tensor:
        """Rounded from float64."""
        return _filled(self.change, "F32", None)


@dataclass(frozen=True)
class Nothing:
    """The change of a parameter that the base keeps: zeros, in fp32."""

    shape: tuple[int, ...]

    def __call__(self) -> torch.Tensor:
        """All of them."""
        import torch

        return torch.zeros(self.shape)

    def factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of rank 0."""
        import torch

        rows, columns = self.shape[0], math.prod(self.shape[1:])
        double = torch.float64
        return torch.zeros(rows, 0, dtype=double), torch.zeros(0, columns, dtype=double)


def is_nothing(checkpoint: Checkpoint, name: str) -> bool:
    """Whether it is the change of a parameter that an adapter leaves as it is."""
    made = checkpoint.entries[name].tensor
    return isinstance(made, Computed) and isinstance(made.make, Nothing)


def low_rank_factors(checkpoint: Checkpoint, name: str) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The factors of a tensor that is the change of an adapter; None for any other tensor.

    left [rows, rank] and right [rank, columns], float64, of the parameter as [first dimension, the
    rest]: what a method that decomposes can use instead of the product.
    """
    made = checkpoint.entries[name].tensor
    if not isinstance(made, Computed):
        return None
    if isinstance(made.make, Change):
        return made.make.change.factors()
    return made.make.factors() if isinstance(made.make, Nothing) and made.make.shape else None


def adapted(checkpoint: Checkpoint, name: str) -> Adapted | None:
    """How an adapted parameter comes about; None for any other tensor."""
    entry = checkpoint.entries[name]
    made = entry.tensor if entry.file == COMPUTED else None
    return made.make if made is not None and isinstance(made.make, Adapted) else None


def _filled(change: LowRank, dtype: str, theta0: torch.Tensor | None) -> torch.Tensor:
    import torch

    result = torch.empty(change.shape, dtype=torch_dtype(dtype))
    flat, first = result.view(-1), 0
    for piece in _pieces(change):
        if theta0 is not None:
            piece = piece.add_(theta0[first : first + piece.numel()])
        flat[first : first + piece.numel()] = piece
        first += piece.numel()
    return result


def _pieces(change: LowRank) -> Iterator[torch.Tensor]:
    """The product in row-major order, float64, 1-D."""
    left, right = change.factors()
    step = max(_PIECE // max(right.shape[1], 1), 1)
    for first in range(0, left.shape[0], step):
        yield (left[first : first + step] @ right).view(-1)
