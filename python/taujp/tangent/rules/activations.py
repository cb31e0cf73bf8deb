"""Activations whose Jacobian is symmetric: the tangent is torch's own backward of the tangent.

For an elementwise f the tangent f'(x) dx and the gradient f'(x) grad are one formula; softmax's
Jacobian diag(p) - p p^T is symmetric too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from taujp.tangent import kernels
from taujp.tangent.dual import Directions, Dual
from taujp.tangent.rules import RULES, Rule, apply_rule, rule

aten = torch.ops.aten


def from_output(func: Callable[..., Any], backward: Callable[..., Any]) -> Rule:
    """dy = backward(dx, y)."""

    def body(x: Tensor) -> Any:
        out = func(x)

        def tangent(d: Directions) -> Tensor | None:
            dx = d(x)
            return None if dx is None else backward(dx.to(out.dtype), out)

        return out, tangent

    return body


def from_input(func: Callable[..., Any], backward: Callable[..., Any]) -> Rule:
    """dy = backward(dx, x)."""

    def body(x: Tensor, inplace: bool = False) -> Any:
        def tangent(d: Directions) -> Tensor | None:
            dx = d(x)
            return None if dx is None else backward(dx.to(x.dtype), x)

        return func(x), tangent

    return body


FROM_OUTPUT: dict[Callable[..., Any], Any] = {
    torch.sigmoid: aten.sigmoid_backward,
    Tensor.sigmoid: aten.sigmoid_backward,
    functional.sigmoid: aten.sigmoid_backward,
    torch.tanh: aten.tanh_backward,
    Tensor.tanh: aten.tanh_backward,
    functional.tanh: aten.tanh_backward,
}
FROM_INPUT: dict[Callable[..., Any], Any] = {
    torch.relu: lambda dx, x: aten.threshold_backward(dx, x, 0),
    Tensor.relu: lambda dx, x: aten.threshold_backward(dx, x, 0),
    functional.relu: lambda dx, x: aten.threshold_backward(dx, x, 0),
    functional.silu: aten.silu_backward,
}
for _function, _backward in FROM_OUTPUT.items():
    RULES[_function] = from_output(_function, _backward)
for _function, _backward in FROM_INPUT.items():
    RULES[_function] = from_input(_function, _backward)


class _Gelu(torch.autograd.Function):
    """A GELU whose backward is the tangent's kernel: elementwise, so both are f'(x) times a vector.

    Only x is kept for it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, approximate: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.approximate = approximate
        if approximate == "quick":
            return quick_gelu(x)
        return functional.gelu(x, approximate=approximate)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return kernels.gelu_tangent(x, grad, ctx.approximate), None


def gelu_of_kind(x: Tensor, approximate: str) -> Any:
    """dy = f'(x) dx for "none", "tanh" or "quick"."""

    def tangent(d: Directions) -> Tensor | None:
        dx = d(x)
        return None if dx is None else kernels.gelu_tangent(x, dx, approximate)

    return _Gelu.apply(x, approximate), tangent


@rule(functional.gelu)
def gelu(x: Tensor, approximate: str = "none") -> Any:
    """y = x Phi(x), or its approximation by tanh."""
    return gelu_of_kind(x, approximate)


def quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x), as OpenAI's CLIP has it."""
    if type(x) is Dual:
        return apply_rule(quick_gelu, (x,), {})
    return x * torch.sigmoid(1.702 * x)


@rule(quick_gelu)
def quick_gelu_rule(x: Tensor) -> Any:
    """dy = (s + 1.702 y (1 - s)) dx, s = sigmoid(1.702 x)."""
    return gelu_of_kind(x, "quick")


@rule(functional.softmax, torch.softmax, Tensor.softmax)
def softmax(x: Tensor, dim: int, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Any:
    """dp = p (dx - <p, dx>)."""
    out = torch.softmax(x, dim, dtype=dtype)

    def tangent(d: Directions) -> Tensor | None:
        dx = d(x)
        return (
            None
            if dx is None
            else aten._softmax_backward_data(dx.to(out.dtype), out, dim, out.dtype)
        )

    return out, tangent
