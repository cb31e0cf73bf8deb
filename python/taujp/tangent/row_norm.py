"""Euclidean row norms with a derivative at zero, for penalties on tangents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from taujp.tangent import kernels


class _RowNorm(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return kernels.row_norm(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)
        ctx.save_for_forward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, norm = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient of this gradient is wanted, or torch.func's
            return x * torch.where(norm == 0, 0, grad / norm.where(norm != 0, 1))[:, None]
        return kernels.row_norm_grad(x, norm, grad)

    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> Tensor:
        x, norm = ctx.saved_tensors
        return torch.where(norm == 0, 0, (x * dx).sum(-1) / norm.where(norm != 0, 1))


def row_norm(x: Tensor) -> Tensor:
    """The Euclidean norm of every row, for a penalty on tangents that start at zero.

    x: [rows, width] to [rows]: y = sqrt(sum x^2). Gradient grad_x = grad_y x / y and tangent
    dy = <x, dx> / y, both 0 where y is 0 (torch.linalg.vector_norm's subgradient there, without the
    infinities of sqrt's). Raises ValueError where x is not two-dimensional.
    Equivalent to torch.linalg.vector_norm(x, dim=-1).
    """
    if x.dim() != 2:
        raise ValueError(
            f"row_norm: x has shape {tuple(x.shape)}; expected (rows, width): flatten it first"
        )
    return _RowNorm.apply(x)
