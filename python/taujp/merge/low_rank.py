"""The strongest singular directions of a matrix: by random sketches, or from all of them.

Source of the sketch: Halko, Martinsson & Tropp 2011, arXiv 0909.4061, algorithms 4.4 and 5.1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .spectrum import Spectrum, spectrum

_MORE = 16  # columns of a sketch beyond the directions that are wanted
_STEPS = 3  # power iterations; each brings the sketch nearer to the strongest directions
_FIRST = 16  # directions that are tried first where their energy decides how many it takes


def exact(matrix: Tensor, rank: int, energy: float | None) -> Spectrum:
    """At most `rank` directions of the matrix; no more than hold the share `energy` of |A|^2."""
    return _shortened(spectrum(matrix), rank, energy, _square(matrix))


def randomised(matrix: Tensor, rank: int, energy: float | None, *, seed: int) -> Spectrum:
    """The same from a sketch of a few more columns, which is wider until it holds the energy.

    A sketch of half the matrix and more costs more than all of its directions, which are then
    taken instead.
    """
    total = _square(matrix)
    generator = torch.Generator().manual_seed(seed)
    count = rank if energy is None else min(rank, _FIRST)
    while 2 * (count + _MORE) < min(matrix.shape):
        found = _sketched(matrix.float(), count, generator)
        held = float(found.values.square().sum())
        if count == rank or (energy is not None and held >= energy * total):
            return _shortened(found, rank, energy, total)
        count = min(2 * count, rank)
    return exact(matrix, rank, energy)


def _sketched(matrix: Tensor, count: int, generator: torch.Generator) -> Spectrum:
    sketch = torch.randn(matrix.shape[1], count + _MORE, generator=generator).to(matrix.device)
    basis = _orthonormal(matrix @ sketch)
    for _ in range(_STEPS):
        basis = _orthonormal(matrix @ _orthonormal(matrix.mT @ basis))
    left, values, right = spectrum((basis.mT @ matrix).double())
    return Spectrum(basis.double() @ left[:, :count], values[:count], right[:count])


def _orthonormal(tall: Tensor) -> Tensor:
    return torch.linalg.qr(tall).Q


def _shortened(found: Spectrum, rank: int, energy: float | None, total: float) -> Spectrum:
    count = min(rank, len(found.values))
    if energy is not None:
        held = found.values.square().cumsum(0)
        count = min(count, int((held < energy * total).sum()) + 1)
    return Spectrum(found.left[:, :count], found.values[:count], found.right[:count])


def _square(matrix: Tensor) -> float:
    return float(torch.linalg.vector_norm(matrix, dtype=torch.float64)) ** 2
