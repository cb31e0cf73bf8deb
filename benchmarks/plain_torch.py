"""The baselines: each merge in plain torch, as users write it and as fast as it can be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

State = dict[str, Tensor]


def summed_task_vectors(ckpts: Sequence[State], coefs: Sequence[float], base: State) -> State:
    """Task arithmetic as the field's code has it: task vectors, scaled, summed, applied."""
    vectors = [{name: theta[name] - base[name] for name in base} for theta in ckpts]
    scaled = [
        {name: c * tau for name, tau in v.items()} for c, v in zip(coefs, vectors, strict=True)
    ]
    total = {name: sum(v[name] for v in scaled) for name in base}
    return {name: base[name] + total[name] for name in base}


def added_in_place(ckpts: Sequence[State], coefs: Sequence[float], base: State) -> State:
    """Task arithmetic by add_ alone: the fewest passes that plain torch allows."""
    left = 1 - sum(coefs)
    merged = {}
    for name, theta0 in base.items():
        merged[name] = theta0 * left
        for c, theta in zip(coefs, ckpts, strict=True):
            merged[name].add_(theta[name], alpha=c)
    return merged


def summed(ckpts: Sequence[State], coefs: Sequence[float]) -> State:
    """A weighted sum as it is written: c_1 theta_1 + c_2 theta_2 + ..."""
    return {
        name: sum(c * theta[name] for c, theta in zip(coefs, ckpts, strict=True))
        for name in ckpts[0]
    }


def summed_in_place(ckpts: Sequence[State], coefs: Sequence[float]) -> State:
    """A weighted sum by add_ alone."""
    merged = {}
    for name, first in ckpts[0].items():
        merged[name] = first * coefs[0]
        for c, theta in zip(coefs[1:], ckpts[1:], strict=True):
            merged[name].add_(theta[name], alpha=c)
    return merged


def threshold_by_kthvalue(magnitude: Tensor, keep: int) -> Tensor:
    """The keep-th largest, by selection."""
    return magnitude.kthvalue(magnitude.numel() - keep + 1).values


def threshold_by_topk(magnitude: Tensor, keep: int) -> Tensor:
    """The keep-th largest, by a partial sort."""
    return magnitude.topk(keep, sorted=False).values.min()


def ties(
    ckpts: Sequence[State],
    coefs: Sequence[float],
    base: State,
    density: float,
    threshold: Callable[[Tensor, int], Tensor],
) -> State:
    """TIES with weighted votes: trim, elect, mean of what agrees; temporaries reused in place."""
    merged = {}
    for name, theta0 in base.items():
        terms = torch.empty(len(ckpts), *theta0.shape)
        for term, theta, c in zip(terms, ckpts, coefs, strict=True):
            torch.sub(theta[name], theta0, out=term)
            magnitude = term.abs().flatten()
            keep = max(1, int(density * magnitude.numel()))
            term.mul_(magnitude.view_as(term) >= threshold(magnitude, keep)).mul_(c)
        sign = torch.where(terms.sum(0) >= 0, 1.0, -1.0)
        agrees = (terms * sign) > 0
        weights = torch.tensor(coefs).view(-1, *[1] * theta0.ndim)
        divisor = (agrees * weights).sum(0)
        divisor[divisor == 0] = 1
        merged[name] = theta0 + terms.mul_(agrees).sum(0).div_(divisor)
    return merged
