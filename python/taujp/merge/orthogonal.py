"""The nearest matrix whose singular values are all 1: the polar factor, without an SVD."""

from __future__ import annotations

import torch

from .spectrum import WEAKEST, gram

# The weakest singular value, of the strongest, with which a product in fp32 is right to 1e-5:
# its error, of each element, grows as strongest / weakest.
_FP32 = 1e-4
_NEARLY = 1e-5  # of the strongest; above it eigenvalues are right to 1e-4 of their own size
_DEPENDENT = 1e-9  # of the strongest; weaker ones are rounding of what was decomposed in float64


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """(A A^T)^(-1/2) A in float64; 0 instead of 1 where there is no direction (see `spectrum`)."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.mT).mT
    root, values = inverse_root(matrix)
    return product(root, matrix, values).double()


def inverse_root(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(A A^T)^(-1/2) of a matrix [m, n], and its singular values, ascending, of at least 0.

    Both in float64; directions of no strength have no inverse and count as none.
    """
    squares, vectors = torch.linalg.eigh(gram(rows.double()))
    values = squares.clamp_(min=0).sqrt_()
    there = values > WEAKEST * values[-1:]
    quarter = vectors[:, there] * values[there].rsqrt()
    return gram(quarter), values


def inverse_root_by_svd(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same where rows nearly depend on each other: their weakest value is no square's root.

    Slower, and right to 1e-16 of the strongest value, where eigenvalues are to 1e-8.
    """
    vectors, values, _ = torch.linalg.svd(rows.double(), full_matrices=False)
    vectors, values = vectors.flip(1), values.flip(0)
    there = values > _DEPENDENT * values[-1:]
    return gram(vectors[:, there] * values[there].rsqrt()), values


def dependent(*values: torch.Tensor) -> bool:
    """Whether some directions nearly lie in the span of the others; values: ascending."""
    return any(len(v) > 0 and bool(v[0] < _NEARLY * v[-1]) for v in values)


def product(root: torch.Tensor, matrix: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
    """root @ matrix: in fp32, twice as fast, where the roots' singular values allow it.

    values: ascending, of each matrix whose inverse root is in `root`.
    """
    worst = [float(v[0] / v[-1]) if len(v) and v[-1] > 0 else 0.0 for v in values]
    if min(worst) > _FP32:
        return root.float() @ matrix.float()
    return root.double() @ matrix.double()
