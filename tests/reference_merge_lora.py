"""The float64 twins of what adapters do and of KnOTS, in plain torch from the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from reference_merge_elements import words
from reference_merge_given import Decided, Given, near


def change(a: Tensor, b: Tensor, scale: float) -> Tensor:
    """scale B A."""
    return scale * (b.double() @ a.double())


def knots(
    given: Given,
    *,
    thin: str = "ties",
    density: float = 0.2,
    normalize: bool = True,
    election: str = "weighted",
    seed: int = 0,
) -> Decided:
    """By torch.linalg.svd of the changes side by side; `close` is a whole column of the result."""
    shape, matrices = given.vectors[0].shape, list(given.vectors)
    basis = None
    if len(shape) > 1 and shape.numel():
        matrices = [tau.reshape(shape[0], -1) for tau in matrices]
        u, s, v = torch.linalg.svd(torch.cat(matrices, 1), full_matrices=False)
        basis, aligned = u[:, s > 1e-5], s[s > 1e-5, None] * v[s > 1e-5]
        wide = matrices[0].shape
        matrices = list(aligned.split(wide[1], 1))
    thinned = [
        trimmed(part, density) if thin == "ties" else drawn(part, density, seed, i, given.name)
        for i, part in enumerate(matrices)
    ]
    merged = elected([part for part, _ in thinned], given.coefs, normalize, election)
    close = torch.stack([merged.close, *(c for _, c in thinned)]).any(0)
    if basis is None:
        return Decided(merged.value, close)
    columns = close.any(0).expand(wide)
    return Decided((basis @ merged.value).reshape(shape), columns.reshape(shape))


def trimmed(part: Tensor, density: float) -> tuple[Tensor, Tensor]:
    """The k largest, and which are too close to the k-th to tell."""
    sizes, k = part.abs().flatten(), max(1, math.floor(density * part.numel()))
    if k >= part.numel():  # also where there is nothing
        return part, torch.zeros(part.shape, dtype=torch.bool)
    order = sizes.argsort(descending=True, stable=True)
    mask = torch.zeros(part.numel(), dtype=torch.bool)
    mask[order[:k]] = True
    last, following = sizes[order[k - 1]], sizes[order[k]]
    undecided = near(last, following, last) & (last != following)
    close = (near(sizes, last, last) | near(sizes, following, last)) & undecided
    return part * mask.view(part.shape), close.view(part.shape)


def drawn(
    part: Tensor, density: float, seed: int, checkpoint: int, name: str
) -> tuple[Tensor, Tensor]:
    """Each with probability `density`, divided by it."""
    kept = words(seed, checkpoint, name, part.numel()) < round(density * 2**32)
    return part * kept.view(part.shape) / density, torch.zeros(part.shape, dtype=torch.bool)


def elected(parts: list[Tensor], coefs: Sequence[float], normalize: bool, election: str) -> Decided:
    """The sum of what has the majority's sign, divided by the weights of those that have it."""
    weights = torch.tensor(coefs, dtype=torch.float64).view(-1, *[1] * parts[0].ndim)
    taus = torch.stack(parts)
    terms = weights * taus
    ballots = terms if election == "weighted" else taus
    agrees = torch.where(ballots.sum(0) >= 0, ballots > 0, ballots < 0)
    below = (weights * agrees).sum(0) if normalize else torch.ones(())
    value = (terms * agrees).sum(0) / torch.where(below == 0, 1.0, below)
    # a direction may point either way, so that v against -v is no tie that has a winner
    undecided = near(ballots.sum(0), 0.0, ballots.abs().sum(0)) & (ballots != 0).any(0)
    return Decided(value, undecided)
