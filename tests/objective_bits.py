"""Prints a hash over what the objectives' kernel computes, at the level that TAUJP_SIMD says."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

import taujp_ext

SIZES = [(1, 1), (1, 2), (5, 3), (64, 10), (7, 31), (3, 33), (2, 1000), (9, 129)]


def computed(rows: int, classes: int, dtype: torch.dtype, device: str = "cpu") -> list[Tensor]:
    """Losses, slopes and the gradient, of inputs that depend on the size alone."""
    torch.manual_seed(rows * classes)
    logits = 3 * torch.randn(rows, classes).to(dtype)
    labels, scales = torch.randint(0, classes, (rows,)), 1 + 0.3 * torch.randn(3, rows)
    given = [one.to(device) for one in (logits, labels, scales, *torch.randn(2, 3, rows))]
    pair = torch.ops.taujp.risk_rows(*given[:3])
    return [*pair, torch.ops.taujp.risk_rows_grad(*given[:3], *pair, *given[3:])]


if __name__ == "__main__":
    taujp_ext.load()
    total = hashlib.sha256()
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for size in SIZES:
            for tensor in computed(*size, dtype):
                total.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    print(total.hexdigest())
