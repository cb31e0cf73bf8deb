"""One matrix of an adapter to be extracted: its factors, and what they lose."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taujp.checkpoint.dtypes import torch_dtype

from .adapter_output import Factors
from .extraction import Matrix

if TYPE_CHECKING:
    from torch import Tensor

    from .spectrum import Spectrum


@dataclass(frozen=True)
class Extracted:
    """A matrix's factors: their rank, and |tau - B A| / |tau| of what was written."""

    name: str
    shape: tuple[int, ...]
    rank: int
    error: float


@dataclass(frozen=True)
class Wanted:
    """Of each matrix at most `rank` directions, no more than hold the share `energy` of |tau|^2."""

    rank: int
    energy: float | None
    method: str
    dtype: str
    seed: int

    def factors(self, matrix: Matrix, tau: Tensor) -> tuple[Factors, Extracted]:
        """B = U sqrt(S) and A = sqrt(S) V of tau = U S V, as the matrix stores its rows."""
        import torch

        left, values, right = self._decomposed(matrix.name, tau)
        root, dtype = values.sqrt(), torch_dtype(self.dtype)
        b, a = (left * root).to(dtype), (root[:, None] * right).to(dtype)
        rest = torch.linalg.matrix_norm(tau - b.float() @ a.float())
        error = float(rest / torch.linalg.matrix_norm(tau))
        told = Extracted(matrix.name, tuple(tau.shape), len(values), error)
        if matrix.transposed:
            b, a = a.mT, b.mT
        return Factors(matrix, b.contiguous(), a.contiguous()), told

    def _decomposed(self, name: str, tau: Tensor) -> Spectrum:
        from .low_rank import exact, randomised

        rank = min(self.rank, *tau.shape)
        if self.method == "exact":
            return exact(tau, rank, self.energy)
        return randomised(tau, rank, self.energy, seed=self.seed ^ zlib.crc32(name.encode()))
