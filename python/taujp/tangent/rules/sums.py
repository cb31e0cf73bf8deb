"""Sums, differences and quotients of tensors and numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from taujp.tangent.dual import Directions
from taujp.tangent.rules import rule


def _broadcast(tangent: Tensor | None, out: Tensor) -> Tensor | None:
    """A sum's tangent has the sum's shape and dtype, also where only a smaller term moves."""
    return None if tangent is None else tangent.to(out.dtype).expand_as(out)


@rule(torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__)
def add(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """y = a + alpha b."""
    out = torch.add(a, b, alpha=alpha)

    def tangent(d: Directions) -> Tensor | None:
        da, db = d(a), d(b)
        if da is None or db is None:
            return _broadcast(
                alpha * db
                if da is None and db is not None and alpha != 1
                else db
                if da is None
                else da,
                out,
            )
        return torch.add(da, db, alpha=alpha)

    return out, tangent


@rule(torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract)
def sub(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """y = a - alpha b."""
    return add(a, b, alpha=-alpha)


@rule(Tensor.__rsub__, torch.rsub)
def rsub(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """y = b - alpha a."""
    return add(b, a, alpha=-alpha)


@rule(torch.div, Tensor.div, Tensor.__truediv__, torch.true_divide)
def div(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    """y = a / b: dy = (da - y db) / b."""
    out = torch.div(a, b, rounding_mode=rounding_mode)

    def tangent(d: Directions) -> Tensor | None:
        da, db = d(a), d(b)
        if rounding_mode is not None or (da is None and db is None):
            return None  # steps
        if db is None:
            return _broadcast(da / b, out)
        above = -out * db if da is None else da - out * db
        return _broadcast(above / b, out)

    return out, tangent
