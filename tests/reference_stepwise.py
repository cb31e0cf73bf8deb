"""The twin of rounding="stepwise": a chain of plain torch operations in one dtype.

Every step (tau, the weight, their product, the sum, the quotient, lambda, plus theta0) is rounded
to the dtype; sums run in fp32 in the order of the checkpoints and are rounded when complete.
Results are to agree with it bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reference import DENSITY, DROPPED, ELECTED, TRIMMED, StateDict, each, heads, survivors, window


def stepwise(
    ckpts: Sequence[StateDict],
    coefs: Sequence[float],
    base: StateDict,
    *,
    method: str,
    lambda_: float = 1.0,
    normalize: bool | None = None,
    density: float | Sequence[float] | None = None,
    gamma: float = 0.01,
    seed: int = 0,
    election: str = "weighted",
    rescale: str | None = None,
) -> dict[str, Tensor]:
    """What merge_many(..., rounding="stepwise") is to return for tensors of one dtype."""
    divide = method == "ties" if normalize is None else normalize
    densities = each(DENSITY.get(method, 1.0) if density is None else density, len(ckpts))
    merged = {}
    for name, theta0 in base.items():
        taus = [c[name] - theta0 for c in ckpts]
        for i, tau in enumerate(taus):
            taus[i] = tau * kept(tau, method, densities[i], gamma, (seed, i, name))
            if method in DROPPED and rescale == "density" and 0 < densities[i] < 1:
                # 1 / density is one number in fp32, as a Python number is for torch.
                taus[i] = (taus[i].float() * torch.tensor(1 / densities[i])).to(tau.dtype)
        tau, divisor = combined(taus, coefs, method, election)
        if divide:
            tau = tau / divisor
        if lambda_ != 1:
            tau = tau * lambda_
        merged[name] = theta0 + tau
    return merged


def kept(tau: Tensor, method: str, density: float, gamma: float, coin: tuple) -> Tensor:
    """The mask of what a method keeps."""
    if method in TRIMMED:
        outliers = 0.0 if method == "ties" else gamma
        return survivors(
            tau.float().abs(), *window(tau.numel(), density, outliers, keep_one=method == "ties")
        )
    if method in DROPPED:
        return heads(*coin, tau.numel(), density).view(tau.shape)
    return torch.ones((), dtype=torch.bool)


def combined(
    taus: Sequence[Tensor], coefs: Sequence[float], method: str, election: str
) -> tuple[Tensor, Tensor]:
    """The rounded sum and the rounded divisor."""
    dtype = taus[0].dtype
    weights = [torch.tensor(c, dtype=torch.float32).to(dtype) for c in coefs]
    terms = [tau * weight for tau, weight in zip(taus, weights, strict=True)]
    if method == "magmax":
        return largest(terms, weights)
    if method not in ELECTED:
        divisor = rounded_sum(weights)
        return rounded_sum(terms), torch.where(
            divisor.abs() < 1e-8, torch.ones_like(divisor), divisor
        )
    ballots = terms if election == "weighted" else taus
    positive = rounded_sum(ballots) >= 0
    agrees = [torch.where(positive, b > 0, b < 0) for b in ballots]
    divisor = rounded_sum([weight * a for weight, a in zip(weights, agrees, strict=True)])
    total = rounded_sum([term * a for term, a in zip(terms, agrees, strict=True)])
    return total, torch.where(divisor == 0, torch.ones_like(divisor), divisor)


def rounded_sum(terms: Sequence[Tensor]) -> Tensor:
    """In fp32, one after the other; rounded once to the dtype of the terms."""
    total = torch.zeros((), dtype=torch.float32)
    for term in terms:
        total = total + term.float()
    return total.to(terms[0].dtype)


def largest(terms: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The term of largest magnitude and its weight; between + v and - v, + v."""
    winner, owner = torch.zeros_like(terms[0]), torch.zeros_like(terms[0])
    for term, weight in zip(terms, weights, strict=True):
        wins = (term.abs() > winner.abs()) | ((term.abs() == winner.abs()) & (term > winner))
        winner, owner = torch.where(wins, term, winner), torch.where(wins, weight, owner)
    return winner, torch.where(owner == 0, torch.ones_like(owner), owner)
