"""One parameter of all checkpoints, as a whole-tensor method sees it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch

import taujp_ext

from .coefficients import Row
from .errors import MergeError
from .formula import Blend
from .gram import Gram, mirrored
from .prepare import Merge

_IN_CACHE = 1 << 16  # elements
PIECE = 1 << 20  # elements; a fixed number, so that sums over pieces are the same everywhere


class NonfiniteInput(Exception):
    """An input of the parameter that is named holds a NaN or an infinity."""


class Inputs(Protocol):
    """Where numbers come from: position 0 is the base, if there is one, then the checkpoints."""

    def __call__(self, position: int, first: int, count: int) -> torch.Tensor:
        """Elements [first, first + count) of the flat parameter, in the dtype it is stored in."""
        ...


@dataclass(frozen=True, eq=False)
class Parameter:
    """Numbers are read when they are asked for, and kept as long as this object.

    rows: the distinct rows of coefficients, of N each. first, count: the elements that it has of
    the whole, which are all but where a pointwise formula takes pieces. found: what the formula's
    survey of all parameters returned.
    """

    merge: Merge
    name: str
    rows: tuple[Row, ...]
    inputs: Inputs
    shape: tuple[int, ...]
    first: int = 0
    found: Any = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def checkpoints(self) -> range:
        """Their numbers, 0 to N - 1."""
        return range(len(self.merge.checkpoints))

    @cached_property
    def base(self) -> torch.Tensor:
        """theta0 in fp32, [shape]."""
        return self._read(0).reshape(self.shape)

    @cached_property
    def vectors(self) -> list[torch.Tensor]:
        """N tensors in fp32, [shape]: theta_i - theta0 where there is a base, else theta_i."""
        return [self.vector(i) for i in self.checkpoints]

    def vector(self, checkpoint: int) -> torch.Tensor:
        """One of `vectors`, read anew and the caller's own."""
        vector = self._read(checkpoint + self._bases).reshape(self.shape)
        return vector.sub_(self.base) if self._bases and not self.merge.deltas else vector

    def weighted_sum(self, row: Row) -> torch.Tensor:
        """sum_i c_i of the vectors in fp32, [shape]; they are read in pieces that stay in cache."""
        total = torch.zeros(self.size, device=self.inputs(self._bases, self.first, 0).device)
        subtracts = self._bases and not self.merge.deltas
        for first, count in pieces(self.size, self.size if total.is_cuda else _IN_CACHE):
            parts = [
                self.inputs(i, self.first + first, count) for i in range(len(row) + self._bases)
            ]
            theta0 = parts[0].float() if subtracts else 0.0
            here = total[first : first + count]
            for part, c in zip(parts[self._bases :], row, strict=True):
                here.add_(part.float() - theta0, alpha=c)
            if not bool(here.sum().isfinite()):
                for part in parts:
                    self._check(part)
        return total.view(self.shape)

    @cached_property
    def products(self) -> Gram:
        """All dot products of the vectors, [N, N] in float64; nothing is kept of them."""
        taujp_ext.load()
        n = len(self.checkpoints)
        identity = torch.eye(n).unsqueeze(0)
        total = torch.zeros(n, n, dtype=torch.float64)
        threads = torch.get_num_threads()
        for first, count in pieces(self.size):
            parts = [self.inputs(i, self.first + first, count) for i in range(n + self._bases)]
            bases, sources = parts[: self._bases], parts[self._bases :]
            found = torch.ops.taujp.products(
                sources, bases, identity, self.merge.deltas, n, threads
            ).cpu()
            if not bool(found.isfinite().all()):
                for part in parts:
                    self._check(part)
            total += found
        return mirrored(total.tolist())

    @property
    def _bases(self) -> int:
        return int(self.merge.base is not None)

    def _read(self, position: int) -> torch.Tensor:
        """A fresh fp32 copy of all elements."""
        stored = self.inputs(position, self.first, self.size)
        self._check(stored)
        return stored.to(torch.float32, copy=True)

    def _check(self, stored: torch.Tensor) -> None:
        # A sum that is finite has only finite terms; one that is not may have overflowed.
        if self.merge.allow_nonfinite or bool(stored.sum(dtype=torch.float32).isfinite()):
            return
        if not bool(stored.isfinite().all()):
            raise NonfiniteInput(self.name)


def pieces(size: int, most: int = PIECE) -> Iterator[tuple[int, int]]:
    """(first element, how many) of each piece of at most that many."""
    return ((first, min(most, size - first)) for first in range(0, size, most))


def results_of(parameter: Parameter) -> Iterator[torch.Tensor | Blend]:
    """The method's results, as they come."""
    formula = parameter.merge.formula
    assert formula is not None
    assert formula.merged is not None
    try:
        yield from formula.merged(parameter)
    except MergeError as error:
        raise MergeError(f"{parameter.merge.method}: {parameter.name!r}: {error}") from error
    except torch.linalg.LinAlgError as error:
        raise MergeError(
            f"{parameter.merge.method}: {parameter.name!r} of shape {parameter.shape} has no "
            f"decomposition ({error}); look for NaN or Inf in the checkpoints"
        ) from error
