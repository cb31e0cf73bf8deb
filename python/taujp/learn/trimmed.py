"""Task vectors without what interferes: TIES' trimming and election, each vector by itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from taujp.checkpoint import Checkpoint
from taujp.merge.merge_many import merge_many


@torch.no_grad()
def trimmed(
    theta0: Mapping[str, Tensor], views: Mapping[str, Checkpoint], density: float
) -> dict[str, dict[str, Tensor]]:
    """{task: theta0 + what is kept of its tau}, in memory.

    Of each tau the share `density` of largest magnitude over all parameters, then of these what
    has the sign of their sum over the tasks (a tie counts as +): AdaMerging++.
    """
    kept = {
        task: merge_many([view], [1.0], theta0, method="ties", density=density, trim="model")
        for task, view in views.items()
    }
    for name, start in theta0.items():
        if not start.is_floating_point():
            continue
        taus = [state[name].to(start.device) - start for state in kept.values()]
        positive = torch.stack(taus).sum(0) >= 0
        for state, tau in zip(kept.values(), taus, strict=True):
            state[name] = start + torch.where((tau > 0) == positive, tau, 0.0)
    return kept
