"""Activations whose Jacobian is symmetric: the tangent is torch's own backward of the tangent.

For an elementwise f the tangent f'(x) dx and the gradient f'(x) grad are one formula; softmax's
Jacobian diag(p) - p p^T is symmetric too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
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


@rule(functional.gelu)
def gelu(x: Tensor, approximate: str = "none") -> Any:
    """dy = gelu'(x) dx."""

    def tangent(d: Directions) -> Tensor | None:
        dx = d(x)
        if dx is None:
            return None
        return kernels.gelu_tangent(x, dx.to(x.dtype), approximate)

    return functional.gelu(x, approximate=approximate), tangent


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


def quick_gelu(x: Tensor) -> Tensor:
    """x sigmoid(1.702 x), as OpenAI's CLIP has it."""
    if type(x) is Dual:
        return apply_rule(quick_gelu, (x,), {})
    return x * torch.sigmoid(1.702 * x)


@rule(quick_gelu)
def quick_gelu_rule(x: Tensor) -> Any:
    """dy = (s + 1.702 y (1 - s)) dx, s = sigmoid(1.702 x)."""

    def tangent(d: Directions) -> Tensor | None:
        dx = d(x)
        return None if dx is None else kernels.gelu_tangent(x, dx.to(x.dtype), "quick")

    return quick_gelu(x), tangent
