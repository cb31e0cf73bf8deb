"""Twins of the methods that choose elements: by size, by vote, by rank, by coin."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference import scramble, survivors
from reference_merge_given import Decided, Given, contested, near


def nearswap(given: Given) -> Tensor:
    (tau,), (t,) = given.vectors, given.coefs
    return tau * (t / tau.abs().clamp(min=1e-6)).clamp(0, 1)


def ram(given: Given, *, epsilon: float = 1e-5) -> Decided:
    stacked = torch.stack(given.vectors)
    changed = stacked.abs() > epsilon
    value = (stacked * changed).sum(0) / changed.sum(0).clamp(min=1)
    return Decided(value, near(stacked.abs(), epsilon, epsilon).any(0))


def ramplus_tl(
    given: Given, *, ratio: float = 0.1, most: float = 0.2, epsilon: float = 1e-5
) -> Decided:
    stacked = torch.stack(given.vectors)
    changed = stacked.abs() > epsilon
    count = changed.sum(0)
    value = torch.zeros_like(stacked[0])
    for tau, mine in zip(stacked, changed, strict=True):
        unique, shared = mine & (count == 1), mine & (count > 1)
        rho = int(shared.sum()) / max(int(unique.sum()), epsilon)
        value += tau * unique * (1 + ratio * min(max(rho, 0.0), most))
        value += tau * shared / count.clamp(min=1)
    return Decided(value, near(stacked.abs(), epsilon, epsilon).any(0))


def consensus(given: Given, *, share: float = 0.4, tasks: int = 2) -> Decided:
    terms = torch.stack([c * tau for c, tau in zip(given.coefs, given.vectors, strict=True)])
    total = terms.sum(0)
    rest = (total - terms).abs()
    votes = (terms.abs() >= share * rest).sum(0)
    close = near(terms.abs(), share * rest, terms.abs().sum(0)).any(0)
    return Decided(total * (votes >= tasks), close & (total != 0))


def sce(given: Given, *, density: float = 1.0) -> Decided:
    stacked = torch.stack(given.vectors)
    size = stacked[0].numel()
    close, slack = torch.zeros(stacked.shape[1:], dtype=torch.bool), 0.0
    if density < 1 and size:
        stacked_all, variance = stacked, stacked.var(0, unbiased=False)
        count = int(int((variance != 0).sum()) * density)
        stacked = stacked * survivors(variance, count, 0)
        if count > 0:
            cut = variance.flatten().sort(descending=True).values[count - 1]
            close |= near(variance, cut, cut + cut.sqrt() * stacked_all.mean(0).abs())
            if close.sum() > 1:  # whichever of them are kept, their squares weigh
                slack = float(stacked.abs().max() * close.sum() / count)
    squares = (
        stacked.reshape(len(stacked), -1).square().mean(1) if size else torch.ones(len(stacked))
    )
    weights = squares / squares.sum() if squares.sum() > 0 else torch.ones(len(stacked))
    weights = weights.double().view(-1, *[1] * (stacked.ndim - 1))
    vote = stacked.sum(0)
    agrees = torch.where(vote >= 0, stacked > 0, stacked < 0)
    below = (weights * agrees).sum(0)
    value = (weights * stacked * agrees).sum(0) / torch.where(below == 0, 1.0, below)
    return Decided(value, close | contested(stacked), slack)


def arcee_fusion(given: Given) -> Decided:
    (tau,) = given.vectors
    if tau.numel() == 0:
        return Decided(tau, tau != 0)
    new, old = ((given.base + side).softmax(-1) + 1e-8 for side in (tau, torch.zeros_like(tau)))
    divergence = (new * (new / old).log()).sum(-1, keepdim=True)
    importance = tau.abs() * divergence
    ordered = importance.flatten().sort().values
    first, middle, third = (ordered[int(q * (len(ordered) - 1))] for q in (0.25, 0.5, 0.75))
    limit = middle + 1.5 * (third - first)
    return Decided(tau * (importance >= limit), near(importance, limit, limit.abs()))


def della_linear(given: Given, *, normalize: bool = False, **options: Any) -> Decided:
    return della(given, normalize=normalize, election=None, **options)


def della(
    given: Given,
    *,
    density: float | Sequence[float] = 0.5,
    epsilon: float | Sequence[float] = 0.15,
    rescale: str | None = "density",
    seed: int = 0,
    normalize: bool = True,
    election: str | None = "weighted",
) -> Decided:
    densities = [density] * len(given.vectors) if isinstance(density, float) else density
    halves = [epsilon] * len(given.vectors) if isinstance(epsilon, float) else epsilon
    taus = torch.stack(
        [
            thinned(tau, share, half, rescale, seed, i, given.name)
            for i, (tau, share, half) in enumerate(
                zip(given.vectors, densities, halves, strict=True)
            )
        ]
    )
    weights = torch.tensor(given.coefs, dtype=torch.float64).view(-1, *[1] * (taus.ndim - 1))
    terms = weights * taus
    if election is None:
        below = weights.sum() if normalize else torch.tensor(1.0)
        return Decided(terms.sum(0) / below, torch.zeros(taus.shape[1:], dtype=torch.bool))
    ballots = terms if election == "weighted" else taus
    vote = ballots.sum(0)
    agrees = torch.where(vote >= 0, ballots > 0, ballots < 0)
    below = (weights * agrees).sum(0) if normalize else torch.ones(())
    value = (terms * agrees).sum(0) / torch.where(below == 0, 1.0, below)
    return Decided(value, contested(ballots))


def thinned(tau, density, epsilon, rescale, seed, checkpoint, name) -> Tensor:
    """Row by row; a coin that falls below p shows heads."""
    if density >= 1 or tau.numel() == 0:
        return tau
    rows = tau.reshape(len(tau), -1) if tau.ndim > 1 else tau.reshape(1, -1)
    length = rows.shape[1]
    p = torch.empty_like(rows)
    for row, odds in zip(rows, p, strict=True):
        order = row.abs().sort(stable=True).indices
        ranks = torch.arange(length, dtype=torch.float64)
        odds[order] = (
            density - epsilon + 2 * epsilon * ranks / (length - 1) if length > 1 else density
        )
    p = p.view(tau.shape)
    kept = words(seed, checkpoint, name, tau.numel()) < (p.flatten() * 2**32).round()
    left = tau * kept.view(tau.shape)
    if rescale == "density":
        return left / p
    if rescale == "l1" and left.abs().sum() >= 1e-7:
        return left * tau.abs().sum() / left.abs().sum()
    return left


def words(seed: int, checkpoint: int, name: str, size: int) -> Tensor:
    """The 32 random bits of each element, as in reference.heads."""
    text = f"{seed}\0{checkpoint}\0{name}".encode()
    key = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    once = scramble(np.arange(size, dtype=np.uint32) + np.uint32(key & 0xFFFFFFFF))
    return torch.from_numpy(scramble(once + np.uint32(key >> 32)).astype(np.int64))
