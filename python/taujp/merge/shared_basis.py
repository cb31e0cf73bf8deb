"""The left singular vectors of several matrices side by side, and each matrix in that basis.

With [M_1 ... M_N] = U S V the part of M_i is S V_i = U^T M_i, so that only U and S are needed:
the eigenvectors and roots of sum_i M_i M_i^T.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

WEAKEST = (
    1e-5  # the singular value up to which a direction is none, as the authors of KnOTS have it
)


def of_matrices(matrices: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """U [rows, r] in float64, and the N parts [r, columns] in fp32 of matrices [rows, columns]."""
    from .spectrum import gram

    total = sum((gram(m.double()) for m in matrices[1:]), gram(matrices[0].double()))
    basis = _strong(total)
    return basis, [(basis.mT @ matrix.double()).float() for matrix in matrices]


def of_factors(factors: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[Tensor]]:
    """The same of products left [rows, rank_i] @ right [rank_i, columns], which are never formed.

    With [left_1 ... left_N] = Q [T_1 ... T_N] the Gram matrix is Q C Q^T with C = sum_i
    T_i right_i right_i^T T_i^T, of as many rows as all ranks together.
    """
    joint, corner = torch.linalg.qr(torch.cat([left for left, _ in factors], 1))
    ranks = [left.shape[1] for left, _ in factors]
    inside = [t @ right for t, (_, right) in zip(corner.split(ranks, 1), factors, strict=True)]
    turned = _strong(sum((m @ m.mT for m in inside[1:]), inside[0] @ inside[0].mT))
    return joint @ turned, [(turned.mT @ part).float() for part in inside]


def _strong(total: Tensor) -> Tensor:
    """The eigenvectors whose eigenvalue is a square of more than WEAKEST, the strongest first."""
    squares, vectors = torch.linalg.eigh(total)
    return vectors.flip(1)[:, squares.flip(0) > WEAKEST**2]
