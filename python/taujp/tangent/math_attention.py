"""The attention that torch can push tangents through: no fused kernels, no fast path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextlib.contextmanager
def math_attention() -> Iterator[None]:
    """Inside, scaled_dot_product_attention is plain matrix products."""
    with sdpa_kernel(SDPBackend.MATH), no_fast_path():
        yield


@contextlib.contextmanager
def no_fast_path() -> Iterator[None]:
    """Inside, nn.MultiheadAttention and nn.TransformerEncoderLayer never take their fused path."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
