"""The penalty's value and its gradient in closed form: P = G dW A, <P, dW>, 2 P."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _QuadraticForm(torch.autograd.Function):
    """<G dW A, dW> for symmetric G and A; nothing of the two products is recorded or cast."""

    @staticmethod
    def forward(dw: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(dw.device.type, enabled=False):
            product = left @ dw @ right
        return (product * dw).sum(), product

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        return 2 * grad * ctx.saved_tensors[0], None, None


def quadratic_form(dw: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Tr(left dw right dw^T), a scalar differentiable in dw [rows, columns] only.

    left: [rows, rows] and right: [columns, columns], symmetric.
    Equivalent: `(left @ dw @ right * dw).sum()`.
    """
    return _QuadraticForm.apply(dw, left, right)[0]
