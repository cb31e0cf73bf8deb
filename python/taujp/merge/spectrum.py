"""Singular values and vectors, by the eigenvectors of the smaller Gram matrix.

In float64 that is right to 1e-12, where an SVD in fp32 is to 1e-5; the strongest directions alone
come from eigenvectors in fp32, turned in float64 until they are as right.
benchmarks/matrix_methods.py has times and errors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

WEAKEST = 1e-6  # of the strongest; what is weaker is rounding, and counts as no direction
_BLOCK = 128  # rows of a Gram matrix's blocks: those above the diagonal need no product
_GUARDS = 16  # more directions than are wanted: neighbours at the cut are told apart among them
_SMALL = 256  # rows below which fp32 saves no time
_RESOLVED = 1e-4  # of the largest eigenvalue; fp32 leaves those below with wrong neighbours
_FIRST_ORDER = 1e-2  # how far vectors may turn in a round: about the square of that remains
_ENOUGH = 1e-5  # a turn as small is the last
_ROUNDS = 4


class Spectrum(NamedTuple):
    """A = left diag(values) right with r values, descending; all float64."""

    left: torch.Tensor  # [m, r]
    values: torch.Tensor  # [r]
    right: torch.Tensor  # [r, n]

    def first(self, count: int) -> Spectrum:
        """The strongest `count` directions."""
        return Spectrum(self.left[:, :count], self.values[:count], self.right[:count])


def gram(rows: torch.Tensor) -> torch.Tensor:
    """A A^T of a matrix [m, n], at about half the work."""
    count = rows.shape[0]
    found = rows.new_empty(count, count)
    for first in range(0, count, _BLOCK):
        last = min(first + _BLOCK, count)
        found[first:last, :last] = rows[first:last] @ rows[:last].mT
        found[:first, first:last] = found[first:last, :first].mT
    return found


def spectrum(matrix: torch.Tensor) -> Spectrum:
    """The decomposition of a matrix [m, n], without directions of no strength."""
    if matrix.shape[0] > matrix.shape[1]:
        return _turned(spectrum(matrix.mT))
    wide = matrix.double()
    return _along(wide, *_descending(gram(wide)))


def strongest(matrix: torch.Tensor, count: int) -> Spectrum:
    """The `count` strongest directions of a matrix [m, n], or as many as it has."""
    if matrix.shape[0] > matrix.shape[1]:
        return _turned(strongest(matrix.mT, count))
    wide = matrix.double()
    squares = gram(wide)
    found = None
    if matrix.shape[0] > max(_SMALL, 3 * count) and count > 0:
        found = _leading(squares, count)
    values, vectors = found or _descending(squares)
    return _along(wide, values[:count], vectors[:, :count])


def _descending(squares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues and eigenvectors of a symmetric matrix, the largest first."""
    values, vectors = torch.linalg.eigh(squares)
    return values.flip(0), vectors.flip(1)


def _leading(squares: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The largest eigenvalues and their eigenvectors, of G in float64 by those of G in fp32.

    A wanted one x turns towards each of the rest, y, by y^T (G x - mu x) / (mu - nu), with
    mu = x^T G x and nu of y, until it stays. None where fp32 tells too little, or one turns far.
    """
    rough, vectors = _descending(squares.float())
    some = count + _GUARDS
    if not rough[count - 1] > _RESOLVED * rough[0]:
        return None
    wanted, rest, others = vectors[:, :some].double(), vectors[:, some:], rough[some:, None]
    for _ in range(_ROUNDS):
        image = squares @ wanted
        own = (wanted * image).sum(0)
        turns = (rest.mT @ (image - wanted * own).float()) / (own.float() - others)
        far = turns[:, :count].abs().amax()
        if not far <= _FIRST_ORDER:  # NaN is not
            return None
        wanted, _ = torch.linalg.qr(wanted + rest @ turns.clamp_(-_FIRST_ORDER, _FIRST_ORDER))
        if far <= _ENOUGH:
            break
    values, turned = _descending(wanted.mT @ (squares @ wanted))
    return values, wanted @ turned


def _along(wide: torch.Tensor, squares: torch.Tensor, vectors: torch.Tensor) -> Spectrum:
    """From the eigenvalues, descending, and eigenvectors of A A^T."""
    values = squares.clamp(min=0).sqrt_()
    values = values[values > WEAKEST * values[:1]]
    left = vectors[:, : len(values)]
    return Spectrum(left, values, (left.mT @ wide) / values[:, None])


def _turned(other: Spectrum) -> Spectrum:
    return Spectrum(other.right.mT, other.values, other.left.mT)
