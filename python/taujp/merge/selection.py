"""The largest of many numbers: exact, with a rule for equal ones."""

from __future__ import annotations

import torch


def largest(values: torch.Tensor, count: int) -> torch.Tensor:
    """A mask of the `count` largest values, in their shape; of equal ones the lowest indices."""
    flat = values.reshape(-1)
    if count >= flat.numel():
        return torch.ones_like(values, dtype=torch.bool)
    if count <= 0:
        return torch.zeros_like(values, dtype=torch.bool)
    threshold = flat.kthvalue(flat.numel() - count + 1).values
    mask = flat > threshold
    equal = (flat == threshold).nonzero().flatten()
    mask[equal[: count - int(mask.sum())]] = True
    return mask.view(values.shape)
