"""The column-orthogonal penalty: the changes of a weight matrix's columns are at right angles."""

from __future__ import annotations

import torch
from torch import Tensor

from taujp.tangent.linearized import Linearized
from taujp.train.penalties.moved import moved_weights


class Orthogonal:
    """sum over trained matrices of || dW^T dW - I ||_F, dW = theta - theta0, no data needed.

    For a matrix with more columns than rows dW dW^T takes the place of dW^T dW, which could not
    be I. The norm is not squared. The gradient is 0 at dW = 0 and the penalty pulls the singular
    values of dW towards 1, so its weight has to be chosen with the learning rate in mind; there is
    no published default.

    Source: Liu et al. 2026, arXiv 2604.17078 (OrthoReg); the side, the norm without a square and
    the choice of matrices (every trained parameter of two dimensions) follow the authors' code.
    """

    name = "orthogonal"

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def open(self, *, start: int, part: int, parts: int, workers: int) -> None:
        """Nothing to start."""

    def control(self, step: int) -> dict[str, Tensor]:
        """No images."""
        return {}

    def value(self, tangents: dict[str, Tensor], lin: Linearized) -> Tensor:
        """The sum over the trained matrices; ValueError where there is none."""
        matrices = [dw for dw in moved_weights(lin).values() if dw.dim() == 2]
        if not matrices:
            raise ValueError(
                "Orthogonal: no trained parameter is a matrix; expected at least one; train more "
                "or drop the penalty"
            )
        return torch.stack([distance_from_orthogonal(dw) for dw in matrices]).sum()


def distance_from_orthogonal(dw: Tensor) -> Tensor:
    """|| dw^T dw - I ||_F of a matrix [rows, columns]; of its transpose where that is narrower."""
    narrow = dw if dw.shape[0] >= dw.shape[1] else dw.T
    with torch.autocast(dw.device.type, enabled=False):
        gram = narrow.T @ narrow
    return torch.linalg.matrix_norm(gram - torch.eye(len(gram), dtype=dw.dtype, device=dw.device))
