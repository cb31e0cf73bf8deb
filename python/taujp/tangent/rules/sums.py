"""Sums, differences and quotients of tensors and numbers.

Under autocast the tangents of sums are kept in fp32: a residual stream adds two a block, and
rounding each sum to 16 bits would cost more than all the products in 16 bits do.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from taujp.tangent.dual import Directions
from taujp.tangent.rules import rule


def _wide(tangent: Tensor) -> Tensor:
    """In fp32 at least."""
    return tangent.to(torch.promote_types(tangent.dtype, torch.float32))


@rule(torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__)
def add(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """y = a + alpha b; where only a smaller term moves, its tangent still has the sum's shape."""
    out = torch.add(a, b, alpha=alpha)

    def tangent(d: Directions) -> Tensor | None:
        da, db = d(a), d(b)
        if da is not None and db is not None:
            return torch.add(_wide(da), _wide(db), alpha=alpha)
        if db is not None:
            return _wide(db if alpha == 1 else alpha * db).expand_as(out)
        return None if da is None else _wide(da).expand_as(out)

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
            return (da / b).expand_as(out)
        above = -out * db if da is None else da - out * db
        return (above / b).expand_as(out)

    return out, tangent
