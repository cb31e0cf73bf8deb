"""The tangents' kernels in plain torch: each formula's primal, differentiated by torch.func.jvp."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def layer_norm_tangent(
    x: Tensor,
    dx: Tensor | None,
    weight: Tensor | None,
    dweight: Tensor | None,
    dbias: Tensor | None,
    eps: float = 1e-5,
) -> Tensor:
    """The tangent of functional.layer_norm over the last dimension; None is zero (weight: one)."""
    width = x.shape[-1]
    ones, zeros = x.new_ones(width), x.new_zeros(width)

    def normed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.layer_norm(x, (width,), weight, bias, eps)

    primals = (x, ones if weight is None else weight, zeros)
    tangents = tuple(
        torch.zeros_like(primal) if given is None else given
        for primal, given in zip(primals, (dx, dweight, dbias), strict=True)
    )
    return torch.func.jvp(normed, primals, tangents)[1]


def gelu(x: Tensor, approximate: str) -> Tensor:
    """functional.gelu, and "quick": x sigmoid(1.702 x)."""
    if approximate == "quick":
        return x * torch.sigmoid(1.702 * x)
    return functional.gelu(x, approximate=approximate)


def gelu_tangent(x: Tensor, dx: Tensor, approximate: str) -> Tensor:
    """f'(x) dx."""
    return torch.func.jvp(lambda x: gelu(x, approximate), (x,), (dx,))[1]


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float, causal: bool
) -> Tensor:
    """softmax(scale q k^T + mask) v; a query whose keys are all masked gets 0."""
    scores = scale * q @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores + mask
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    nothing = (scores == -math.inf).all(-1, keepdim=True)
    weights = torch.softmax(scores.masked_fill(nothing, 0.0), -1)
    return weights.masked_fill(nothing, 0.0) @ v


def attention_tangent(
    heads: Sequence[Tensor],
    dheads: Sequence[Tensor | None],
    mask: Tensor | None,
    scale: float,
    causal: bool,
) -> Tensor:
    """The tangent of `attention` for heads (q, k, v) and theirs; None is zero."""
    tangents = tuple(
        torch.zeros_like(head) if dhead is None else dhead
        for head, dhead in zip(heads, dheads, strict=True)
    )
    primal = lambda q, k, v: attention(q, k, v, mask, scale, causal)  # noqa: E731
    return torch.func.jvp(primal, tuple(heads), tangents)[1]
