"""Forwards that compute the same with less: open_clip's image towers, QuickGELU.

A tower that pools its class token needs only that token of its last block: the query, the
feed-forward layer and the last normalisation are computed for one row of the sequence.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from taujp.tangent.rules.activations import quick_gelu

QUICK_GELU = ("QuickGELU", "QuickGELUActivation")


def fused_forwards(module: nn.Module) -> dict[nn.Module, Callable[..., Any]]:
    """The forwards to run this module's parts with; empty where nothing is known of them."""
    found: dict[nn.Module, Callable[..., Any]] = {}
    for part in module.modules():
        if type(part).__name__ in QUICK_GELU:
            found[part] = quick_gelu
        elif pools_class_token(part):
            found[part] = functools.partial(class_token_features, part)
    return found


def pools_class_token(part: Any) -> bool:
    """open_clip's VisionTransformer in the form that class_token_features computes."""
    if type(part).__name__ != "VisionTransformer" or not type(part).__module__.startswith(
        "open_clip."
    ):
        return False
    last: Any = part.transformer.resblocks[-1] if len(part.transformer.resblocks) else None
    return (
        part.pool_type == "tok"
        and part.attn_pool is None
        and not part.output_tokens
        and type(last).__name__ == "ResidualAttentionBlock"
        and type(last.attn) is nn.MultiheadAttention
        and not hasattr(last, "ln_1_kv")
        and getattr(part.transformer, "batch_first", False)
    )


# The C library hands out blocks above 32 MB fresh from the system, page by page, every time.
LARGEST_ACTIVATION = 24 << 20


def class_token_features(visual: Any, images: torch.Tensor) -> torch.Tensor:
    """What visual(images) returns: [n, 3, height, width] to [n, features].

    On the CPU in parts of rows whose activations come from memory that is used again.
    """
    if images.device.type != "cpu":
        return features_of_rows(visual, images)
    hidden = 4 * images.element_size() * visual.transformer.width  # a token's, in its MLP
    row = hidden * (1 + visual.grid_size[0] * visual.grid_size[1])
    parts = math.ceil(len(images) * row / LARGEST_ACTIVATION)
    if parts <= 1:
        return features_of_rows(visual, images)
    return torch.cat([features_of_rows(visual, part) for part in images.chunk(parts)])


def features_of_rows(visual: Any, images: torch.Tensor) -> torch.Tensor:
    """class_token_features of all rows at once."""
    x = visual._embeds(images)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = block(x)
    token = last_block_of_token(last, x)
    pooled = visual.ln_post(token)[:, 0]
    return pooled if visual.proj is None else pooled @ visual.proj


def last_block_of_token(block: Any, x: torch.Tensor) -> torch.Tensor:
    """The block's output [n, 1, width] for the first of the tokens x [n, tokens, width]."""
    normed = block.ln_1(x)
    attended, _ = block.attn(normed[:, :1], normed, normed, need_weights=False)
    token = x[:, :1] + block.ls_1(attended)
    return token + block.ls_2(block.mlp(block.ln_2(token)))
