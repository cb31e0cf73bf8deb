"""Layer normalisation: y = xhat w + b, xhat = (x - mean) rstd.

dxhat = rstd (dx - mean(dx) - xhat mean(dx xhat)), dy = dxhat w + xhat dw + db.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from taujp.tangent import kernels
from taujp.tangent.dual import Directions
from taujp.tangent.rules import rule


@rule(functional.layer_norm, torch.layer_norm)
def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Any:
    """One pass a row for the tangent, with the primal's mean and standard deviation."""
    dims, source = len(normalized_shape), in_autocast_dtype(x)
    out, mean, rstd = torch.native_layer_norm(source, list(normalized_shape), weight, bias, eps)

    def tangent(d: Directions) -> Tensor | None:
        dx, dweight, dbias = d(x), d(weight), d(bias)
        if dx is None and dweight is None and dbias is None:
            return None
        rows = [None if one is None else one.flatten(-dims) for one in (source, dx)]
        each = [None if one is None else one.flatten() for one in (weight, dweight, dbias)]
        dy = kernels.layer_norm_tangent(rows[0], rows[1], mean, rstd, *each)  # type: ignore[arg-type]
        return dy.view(out.shape).to(out.dtype)

    return out, tangent


def in_autocast_dtype(x: Tensor) -> Tensor:
    """In fp32 where autocast has layer norms in it: on CUDA; native_layer_norm does not ask it."""
    casts = x.device.type == "cuda" and torch.is_autocast_enabled("cuda")
    return x.float() if casts and x.dtype.itemsize < 4 else x
