"""Attention: scaled dot products, and torch's multi-head attention written out in them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from taujp.tangent import kernels
from taujp.tangent.dual import Directions, TangentError, primal_of
from taujp.tangent.rules import composed, forward_mode, rule


@rule(functional.scaled_dot_product_attention)
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """O = P V, P = softmax(scale Q K^T + mask): dO = dP V + P dV."""
    if dropout_p > 0:
        raise TangentError(
            f"tangent: attention with dropout_p = {dropout_p} is random; expected 0; pass "
            "dropout_p=0.0 in evaluation mode"
        )
    options: dict[str, Any] = {"attn_mask": attn_mask, "is_causal": is_causal, "scale": scale}
    options["enable_gqa"] = enable_gqa
    func = functional.scaled_dot_product_attention
    out = func(query, key, value, **options)

    def tangent(d: Directions) -> Tensor | None:
        dq, dk, dv, dmask = d(query), d(key), d(value), d(attn_mask)
        if dq is None and dk is None and dv is None and dmask is None:
            return None
        if enable_gqa or dmask is not None or query.dim() != 4 or is_long(query):
            return forward_mode.tangent(func, (query, key, value), options, out, d)
        mask = four_dimensional(attn_mask, query, key.shape[-2])
        return kernels.attention_tangent(
            query, key, value, dq, dk, dv, mask, scale=scale, causal=is_causal
        )

    return out, tangent


# Tokens up to which the CUDA kernel, which has no tensor cores, is used: not measured yet.
LONGEST_ON_CUDA = 64


def is_long(query: Tensor) -> bool:
    """Whether plain matrix products do better than the kernel: on CUDA, for long sequences."""
    return query.device.type == "cuda" and query.shape[-2] > LONGEST_ON_CUDA


def four_dimensional(mask: Tensor | None, like: Tensor, keys: int) -> Tensor | None:
    """The mask that is added to the scores, [1 or B, 1 or H, 1 or N, keys], in `like`'s dtype."""
    if mask is None:
        return None
    mask = zero_or_minus_infinity(mask, like)
    mask = mask.view(*[1] * (4 - mask.dim()), *mask.shape)
    return mask.expand(*mask.shape[:3], keys)


def zero_or_minus_infinity(mask: Tensor, like: Tensor) -> Tensor:
    """0 and -inf for True (attend) and False; a mask of numbers as it is, in `like`'s dtype."""
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    zeros = torch.zeros(mask.shape, dtype=like.dtype, device=mask.device)
    return zeros.masked_fill_(~mask, -math.inf)


@composed(functional.multi_head_attention_forward)
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The output [N, B, E] of torch's function, in operations that have rules.

    The weights are never returned: torch's fused attention has none either (need_weights=False).
    """
    odd = [bias_k, bias_v, static_k, static_v]
    if add_zero_attn or use_separate_proj_weight or any(one is not None for one in odd):
        raise TangentError(
            "tangent: multi-head attention with bias_k, static keys, a zero row or separate "
            "projections has no rule; use linearize(model, backend='generic')"
        )
    if need_weights or query.dim() != 3:
        raise TangentError(
            "tangent: multi-head attention that returns its weights, or without a batch, has no "
            "rule; pass need_weights=False or use linearize(model, backend='generic')"
        )
    q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    q, k, v = (_heads(one, num_heads) for one in (q, k, v))
    mask = _merged_mask(attn_mask, key_padding_mask, q, num_heads)
    out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    rows = out.transpose(1, 2).flatten(2)
    return functional.linear(rows, out_proj_weight, out_proj_bias).transpose(0, 1), None


def _projected(query: Any, key: Any, value: Any, weight: Any, bias: Any) -> Any:
    """q, k, v [B, N, E] by one product where they come from one tensor."""
    if query is key and key is value:
        return functional.linear(query.transpose(0, 1), weight, bias).chunk(3, dim=-1)
    width = query.shape[-1]
    shared = key is value
    sizes = (width, 2 * width) if shared else (width, width, width)
    sources = (query, key) if shared else (query, key, value)
    biases = (None,) * len(sizes) if bias is None else bias.split(sizes)
    q, *rest = (
        functional.linear(source.transpose(0, 1), part, shift)
        for source, part, shift in zip(sources, weight.split(sizes), biases, strict=True)
    )
    return (q, *rest[0].chunk(2, dim=-1)) if shared else (q, *rest)


def _heads(x: Any, heads: int) -> Any:
    """[B, N, E] to [B, H, N, E / H], a view."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _merged_mask(mask: Any, padding: Any, like: Any, heads: int) -> Tensor | None:
    """One additive mask [B or 1, H or 1, N, M] of torch's two."""
    like = primal_of(like)
    if mask is not None:
        mask = zero_or_minus_infinity(_torch_mask(mask), like)
        mask = mask.unflatten(0, (-1, heads)) if mask.dim() == 3 else mask[None, None]
    if padding is None:
        return mask
    padding = zero_or_minus_infinity(_torch_mask(padding), like)[:, None, None, :]
    return padding if mask is None else mask + padding


def _torch_mask(mask: Tensor) -> Tensor:
    """nn.MultiheadAttention's boolean masks say what to leave out, attention's what to keep."""
    return ~mask if mask.dtype == torch.bool else mask
