"""The kernels' fold of task vectors that a whole-tensor method has made: a sum, or an election."""

from __future__ import annotations

from collections.abc import Sequence

import torch

import taujp_ext


def folded(
    vectors: Sequence[torch.Tensor],
    weights: Sequence[float],
    *,
    fold: str,
    normalize: bool = False,
    dials: Sequence[float] = (),
) -> torch.Tensor:
    """N fp32 tensors to one, by a Recipe's fold, divisor and dials; see csrc/core/recipe.h."""
    taujp_ext.load()
    result = torch.empty_like(vectors[0])
    torch.ops.taujp.merge_(
        list(vectors),
        [],
        [result],
        torch.tensor([[list(weights)]], dtype=torch.float32),
        torch.zeros(1, dtype=torch.int64),
        torch.zeros(0, dtype=torch.int64),
        [1.0],
        [1.0] * len(vectors),
        [],
        fold,
        "none",
        "none",
        "exact",
        normalize,
        False,
        False,
        False,
        torch.get_num_threads(),
        [],
        list(dials),
    )
    return result
