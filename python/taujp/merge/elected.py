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


def tall_masks(
    vectors: Sequence[torch.Tensor], weights: Sequence[float], shares: Sequence[float]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """s = sum_i w_i tau_i, and for each task where it needs s: see csrc/merge/consensus.h."""

    def asked(share: float, needed: float) -> torch.Tensor:
        return folded(vectors, weights, fold="consensus", dials=(share, needed))

    total = asked(0.0, 0.0)  # of no task: the sum itself
    return total, [asked(share, -(task + 1.0)) != 0 for task, share in enumerate(shares)]
