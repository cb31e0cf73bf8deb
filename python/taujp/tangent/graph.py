"""The two joints between theta, theta0 and autograd.

A linearised model's output f0 + J tau is evaluated at theta0, and its gradient with respect to
theta is the vector-Jacobian product at theta0. So the primal runs on theta0's values with theta's
place in the graph (`at_theta0`), and the tangent of the output takes the primal's (`carry`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _InPlaceOf(torch.autograd.Function):
    """One tensor's values in another one's place of the graph."""

    @staticmethod
    def forward(ctx: Any, place: Tensor, values: Tensor) -> Tensor:
        ctx.dtype = place.dtype
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.to(ctx.dtype), None


def at_theta0(theta: Tensor, theta0: Tensor) -> Tensor:
    """theta0's values; the gradient goes to theta unchanged."""
    return _InPlaceOf.apply(theta, theta0)


def carry(primal: Tensor, tangent: Tensor) -> Tensor:
    """tangent's values; the gradient goes to the primal's graph unchanged."""
    return _InPlaceOf.apply(primal, tangent)
