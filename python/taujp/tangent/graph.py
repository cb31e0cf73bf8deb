"""The two joints between theta, theta0 and autograd.

A linearised model's output f0 + J tau is evaluated at theta0, and its gradient with respect to
theta is the vector-Jacobian product at theta0. So the primal runs on theta0's values with theta's
place in the graph (`at_theta0`), and the tangent of the output takes the primal's (`carry`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _AtTheta0(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, theta: Tensor, theta0: Tensor) -> Tensor:
        ctx.dtype = theta.dtype
        return theta0.view_as(theta0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.to(ctx.dtype), None


class _Carry(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, primal: Tensor, tangent: Tensor) -> Tensor:
        ctx.dtype = primal.dtype
        return tangent.view_as(tangent)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.to(ctx.dtype), None


def at_theta0(theta: Tensor, theta0: Tensor) -> Tensor:
    """theta0's values; the gradient goes to theta unchanged."""
    return _AtTheta0.apply(theta, theta0)


def carry(primal: Tensor, tangent: Tensor) -> Tensor:
    """tangent's values; the gradient goes to the primal's graph unchanged."""
    return _Carry.apply(primal, tangent)
