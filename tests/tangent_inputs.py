"""Inputs of the tangents' kernels, and how far a result may lie from the float64 twin."""

from __future__ import annotations

import torch
from torch import Tensor

from conftest import DTYPES
from tolerance import FP32_STEP, TOLERANCE

EXACT = {**DTYPES, "fp64": torch.float64}
GELUS = ["none", "tanh", "quick"]
# batch, heads, queries, keys, width, values: registers and their rests, one key, one query, N = 197
SHAPES = [
    (1, 1, 1, 1, 1, 1),
    (2, 3, 50, 50, 64, 64),
    (1, 2, 7, 13, 20, 36),
    (2, 2, 1, 197, 80, 80),
    (1, 1, 197, 197, 64, 64),
    (1, 1, 12, 65, 96, 128),
    (1, 2, 31, 33, 7, 5),
]


def assert_close(result: Tensor, expected: Tensor, steps: float) -> None:
    """Half a unit in the last place, and `steps` fp32 (fp64) roundings of the largest number."""
    assert result.shape == expected.shape
    if expected.numel() == 0:
        return
    double = result.dtype == torch.float64
    step, value = (2.0**-53, 0.0) if double else (FP32_STEP, TOLERANCE[result.dtype].value)
    error = (result.cpu().double() - expected.cpu()).abs()
    allowed = expected.cpu().abs() * value + steps * step * expected.abs().max().item() + 2.0**-149
    assert (error <= allowed).all(), f"{(error / allowed).max().item():.3g} times the tolerance"


def random(*shape: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    return torch.randn(shape, dtype=torch.float64).to(dtype).to(device)


def doubles(*tensors: Tensor | None) -> list[Tensor | None]:
    return [None if one is None else one.cpu().double() for one in tensors]


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """mean and rstd as fp32 (fp64) numbers [..., 1]."""
    wide = x.double()
    rstd = (wide.var(-1, keepdim=True, correction=0) + 1e-5).rsqrt()
    kept = torch.float64 if x.dtype == torch.float64 else torch.float32
    return wide.mean(-1, keepdim=True).to(kept), rstd.to(kept)


def heads_of(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> list[Tensor]:
    """q, k, v as views of packed projections [batch, rows, heads width]."""
    batch, heads, queries, keys, width, values = shape
    sizes = [(queries, width), (keys, width), (keys, values)]
    wide = [
        random(batch, rows, heads * each + 3, dtype=dtype, device=device) for rows, each in sizes
    ]
    return [one[..., 3:].unflatten(-1, (heads, -1)).transpose(1, 2) for one in wide]


def mask_of(kind: str, shape: tuple[int, ...], like: Tensor) -> Tensor | None:
    batch, heads, queries, keys, *_ = shape
    sizes = {"full": (batch, heads, queries, keys), "keys": (batch, 1, 1, keys)}
    if kind not in sizes:
        return None
    mask = torch.randn(sizes[kind], dtype=torch.float64).to(like)
    return mask.masked_fill(torch.rand(sizes[kind], device=like.device) < 0.3, -torch.inf)
