"""Products: linear layers, matrix products, convolutions. dy = f(dx, w) + f(x, dw)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from taujp.tangent.dual import Directions
from taujp.tangent.rules import RULES, Rule, rule


def added(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """a + b, where None is zero."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


def bilinear(func: Callable[..., Any]) -> Rule:
    """The rule of a function that is linear in each of its first two arguments."""

    def body(a: Any, b: Any, **kwargs: Any) -> Any:
        def tangent(d: Directions) -> Tensor | None:
            da, db = d(a), d(b)
            left = None if da is None else func(da, b, **kwargs)
            return added(left, None if db is None else func(a, db, **kwargs))

        return func(a, b, **kwargs), tangent

    return body


for _function in (
    torch.matmul, Tensor.matmul, Tensor.__matmul__, Tensor.__rmatmul__, torch.mm, Tensor.mm,
    torch.bmm, Tensor.bmm, torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.multiply,
    torch.mv, torch.dot, torch.outer, operator.matmul,
):  # fmt: skip
    RULES[_function] = bilinear(_function)


@rule(functional.linear)
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    """y = x W^T + b: dy = dx W^T + x dW^T + db, the second product added in the first's memory."""
    out = functional.linear(x, weight, bias)

    def tangent(d: Directions) -> Tensor | None:
        dx, dweight, dbias = d(x), d(weight), d(bias)
        if dx is None and dweight is None:
            return None if dbias is None else dbias.to(out.dtype).expand_as(out)
        if dx is None:
            return functional.linear(x, dweight, dbias)  # type: ignore[arg-type]
        dy = functional.linear(dx, weight, dbias)
        if dweight is not None:
            add_product(dy, x, dweight.t())
        return dy

    return out, tangent


def add_product(dy: Tensor, x: Tensor, weight: Tensor) -> None:
    """dy += x @ weight over the last dimension, in dy's dtype (autocast does not reach addmm_)."""
    rows = dy.view(-1, dy.shape[-1])
    rows.addmm_(x.reshape(-1, x.shape[-1]).to(dy.dtype), weight.to(dy.dtype))


@rule(torch.addmm, Tensor.addmm)
def addmm(bias: Tensor, x: Tensor, weight: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    """y = beta b + alpha x W, as GPT-2's layers are written."""

    def tangent(d: Directions) -> Tensor | None:
        dbias, dx, dweight = d(bias), d(x), d(weight)
        dy = None if dx is None else alpha * torch.mm(dx, weight)
        dy = added(dy, None if dweight is None else alpha * torch.mm(x, dweight))
        return added(dy, None if dbias is None else (beta * dbias).expand_as(out))

    out = torch.addmm(bias, x, weight, beta=beta, alpha=alpha)
    return out, tangent


def convolution(func: Callable[..., Any]) -> Rule:
    """The rule of a convolution with weight and bias."""

    def body(
        x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        def tangent(d: Directions) -> Tensor | None:
            dx, dweight, dbias = d(x), d(weight), d(bias)
            dy = None if dx is None else func(dx, weight, None, *args, **kwargs)
            dy = added(dy, None if dweight is None else func(x, dweight, None, *args, **kwargs))
            if dbias is None:
                return dy
            column = dbias.to(out.dtype).view(-1, *[1] * (weight.dim() - 2))
            return column.expand_as(out) if dy is None else dy + column

        out = func(x, weight, bias, *args, **kwargs)
        return out, tangent

    return body


for _function in (
    functional.conv1d, functional.conv2d, functional.conv3d,
    functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d,
):  # fmt: skip
    RULES[_function] = convolution(_function)
