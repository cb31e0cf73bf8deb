"""Coefficients of a live edit by groups of parameters, and what their gradients are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from .errors import MergeError


def dots_with(flat: list[torch.Tensor], count: int) -> torch.Tensor:
    """<gradient, checkpoint> of `count` checkpoints, from lists of a gradient and its sources."""
    if not flat:
        return torch.zeros(count, dtype=torch.float64)
    identity = torch.eye(count + 1).unsqueeze(0)
    # Sums of products are exact enough in float64 that <g, theta> - <g, theta0> loses nothing.
    dots = torch.ops.taujp.products(flat, [], identity, True, 1, torch.get_num_threads())
    return dots[0, 1:].cpu()


def group_of_each(names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[int]:
    """The group's number of every name."""
    found: dict[str, int] = {}
    for number, members in enumerate(groups.values()):
        for name in members:
            if found.setdefault(name, number) != number:
                raise MergeError(f"edit: groups have {name!r} twice; expected it in one of them")
    lost = [name for name in names if name not in found]
    if lost:
        raise MergeError(
            f"edit: groups have {len(lost)} of the task vectors' parameters in none of them: "
            f"{lost[:3]}; add a group for the rest"
        )
    return [found[name] for name in names]
