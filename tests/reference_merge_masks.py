"""Twins of the methods that look at the whole model, or give a model for each task."""

from __future__ import annotations

import torch
from torch import Tensor

from reference_merge_given import Decided, Given, contested, near


def unified(vectors: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The sign that the sum has (+ for a tie), the largest magnitude among those that have it."""
    stacked = torch.stack(vectors)
    sign = torch.where(stacked.sum(0) >= 0, 1.0, -1.0).double()
    return sign, torch.where(stacked * sign > 0, stacked.abs(), 0.0).amax(0)


def emr_scales(model: list[Tensor]) -> list[float]:
    sign, size = unified(model)
    found = []
    for tau in model:
        kept = float(size[tau * sign > 0].sum())
        found.append(float(tau.abs().sum()) / kept if kept else 1.0)
    return found


def emr(given: Given) -> list[Decided]:
    sign, size = unified(given.vectors)
    close = contested(torch.stack(given.vectors))
    scales = emr_scales(list(given.model))
    return [
        Decided(scale * sign * size * (tau * sign > 0), close)
        for tau, scale in zip(given.vectors, scales, strict=True)
    ]


def tall_mask(given: Given, *, share: float | list[float] = 0.4) -> list[Decided]:
    shares = share if isinstance(share, list) else [share] * len(given.vectors)
    terms = torch.stack([c * tau for c, tau in zip(given.coefs, given.vectors, strict=True)])
    total, scale = terms.sum(0), terms.abs().sum(0)
    return [
        Decided(
            torch.where(term.abs() >= least * (total - term).abs(), total, 0.0),
            near(term.abs(), least * (total - term).abs(), scale) & (total != 0),
        )
        for term, least in zip(terms, shares, strict=True)
    ]


def pcb(given: Given, *, density: float = 0.1, clip: float = 1e-4) -> Decided:
    """By sorted lists of the whole model."""
    n, size = len(given.vectors), len(given.model[0])
    together = torch.stack(list(given.model)).sum(0)
    above, below, error = 0.0, 0.0, 0.0
    for tau, flat, c in zip(given.vectors, given.model, given.coefs, strict=True):
        ordered = flat.abs().sort().values
        least, most = ordered[int(size * clip)], ordered[max(int(size * (1 - clip) - 1), 0)]

        def score(values: Tensor, others: Tensor, least=least, most=most) -> Tensor:
            clipped = values.abs().clamp(least, most)
            return (n * ((clipped - least) / (most - least)) ** 2).exp() * (values * others).tanh()

        ranked = score(flat, together).sort().values
        cut, best = ranked[min(int(size * (1 - density)), size - 1)], ranked[-1]
        own = score(tau, torch.stack(given.vectors).sum(0))
        beta = (own - cut).clamp(min=0) / (best - cut)
        above = above + c * beta * tau.sign() * tau.abs().clamp(least, most)
        below = below + beta
        # what fp32 may add to a score that is near the cut
        error = error + 2e-6 * own.abs() / (best - cut) * (own > cut - 2e-6 * own.abs())
    largest = max(float(flat.abs().max()) for flat in given.model)
    value = torch.where(below > 0, above / torch.where(below > 0, below, 1.0), 0.0)
    return Decided(value, error > 1e-4 * below, 2e-4 * largest)
