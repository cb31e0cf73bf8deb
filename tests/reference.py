"""The float64 twin: every merge method in plain torch, written from the formulas alone.

    tau_i = theta_i - theta0 in fp32 -> sparsify -> times w_i -> elect a sign -> sum -> divide
    -> times lambda -> plus theta0

All of it in float64 but tau, which the contract puts in fp32 (it decides ranks and votes).
`rounding="stepwise"` has a twin of its own: reference_stepwise.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

StateDict = Mapping[str, Tensor]

TRIMMED = ("ties", "breadcrumbs", "breadcrumbs_ties")
DROPPED = ("dare_linear", "dare_ties")
ELECTED = ("ties", "dare_ties", "breadcrumbs_ties")
DENSITY = {"ties": 0.2, "dare_linear": 0.5, "dare_ties": 0.5, "breadcrumbs": 0.9}
DENSITY["breadcrumbs_ties"] = DENSITY["breadcrumbs"]
METHODS = ("linear", "task_arithmetic", "magmax", *TRIMMED, *DROPPED)

# A vote, or a contest of magnitudes, closer than this share of its terms may fall either way in
# fp32: a few roundings of 2^-24 each.
UNDECIDED = 2.0**-20


@dataclass(frozen=True)
class Twin:
    """A merged parameter in float64.

    `other`: the value had an election or contest that fp32 cannot decide gone the other way.
    `scale`: the sum of the magnitudes that went into the value, against which fp32 rounds.
    """

    value: Tensor
    other: Tensor
    scale: Tensor


def twin(
    ckpts: Sequence[StateDict],
    coefs: Sequence[float],
    base: StateDict | None = None,
    *,
    method: str,
    lambda_: float = 1.0,
    normalize: bool | None = None,
    density: float | Sequence[float] | None = None,
    gamma: float | Sequence[float] = 0.01,
    rescale: str | None = "density",
    seed: int = 0,
    election: str = "weighted",
    trim: str = "tensor",
) -> dict[str, Tensor | Twin]:
    """What merge_many is to return, as {name: Twin}."""
    n = len(ckpts)
    names = sorted(ckpts[0])
    taus = [{name: task_vector(c[name], base and base[name]) for name in names} for c in ckpts]
    densities = each(DENSITY.get(method, 1.0) if density is None else density, n)
    for i, tau in enumerate(taus):
        if method in TRIMMED:
            gammas = each(0.0 if method == "ties" else gamma, n)
            trim_all(
                tau, densities[i], gammas[i], keep_one=method == "ties", over_model=trim == "model"
            )
        if method in DROPPED:
            for name in names:
                kept = heads(seed, i, name, tau[name].numel(), densities[i])
                tau[name] = rescaled(tau[name], kept.view(tau[name].shape), densities[i], rescale)
    weights = torch.tensor(coefs, dtype=torch.float32).double()
    divide = method == "ties" if normalize is None else normalize
    lambda64 = float(np.float32(lambda_))
    return {
        name: folded(
            torch.stack([tau[name].double() for tau in taus]),
            weights.view(-1, *[1] * taus[0][name].ndim),
            torch.zeros(()).double() if base is None else base[name].double(),
            fold="magmax" if method == "magmax" else election if method in ELECTED else "sum",
            normalize=divide,
            lambda_=lambda64,
        )
        for name in names
    }


def each(value: float | Sequence[float], n: int) -> list[float]:
    """One value a checkpoint."""
    return [value] * n if isinstance(value, int | float) else list(value)


def task_vector(theta: Tensor, theta0: Tensor | None) -> Tensor:
    """tau in fp32: one rounding of the exact difference."""
    return theta.float() if theta0 is None else theta.float() - theta0.float()


def window(size: int, density: float, gamma: float, *, keep_one: bool) -> tuple[int, int]:
    """(how many to keep, after how many of the largest); shares truncate in float64."""
    if density >= 1:
        return size, 0
    keep = int(density * size)
    if keep_one and density > 0 and size > 0:
        keep = max(keep, 1)
    return keep, min(int(gamma * size), size - keep)


def survivors(magnitude: Tensor, keep: int, skip: int) -> Tensor:
    """The mask of ranks [skip, skip + keep) by (magnitude descending, index ascending)."""
    order = torch.sort(magnitude.flatten(), descending=True, stable=True).indices
    mask = torch.zeros(magnitude.numel(), dtype=torch.bool)
    mask[order[skip : skip + keep]] = True
    return mask.view(magnitude.shape)


def trim_all(
    tau: dict[str, Tensor], density: float, gamma: float, *, keep_one: bool, over_model: bool
) -> None:
    """Zero what is not kept, parameter by parameter or over all of them in the order of names."""
    groups = [sorted(tau)] if over_model else [[name] for name in sorted(tau)]
    for group in groups:
        together = torch.cat([tau[name].flatten() for name in group])
        keep, skip = window(together.numel(), density, gamma, keep_one=keep_one)
        kept = together * survivors(together.abs(), keep, skip)
        sizes = [tau[name].numel() for name in group]
        for name, part in zip(group, kept.split(sizes), strict=True):
            tau[name] = part.view(tau[name].shape)


def scramble(x: np.ndarray) -> np.ndarray:
    """The 32-bit finaliser lowbias32."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def heads(seed: int, checkpoint: int, name: str, size: int, density: float) -> Tensor:
    """The mask of DARE's coins: a function of nothing but its arguments (indices below 2^32)."""
    text = f"{seed}\0{checkpoint}\0{name}".encode()
    key = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    index = np.arange(size, dtype=np.uint32)
    once = scramble(index + np.uint32(key & 0xFFFFFFFF))
    coins = scramble(once + np.uint32(key >> 32))
    return torch.from_numpy(coins.astype(np.uint64) < round(density * 2**32))


def rescaled(tau: Tensor, kept: Tensor, density: float, rescale: str | None) -> Tensor:
    """What is kept, scaled up for what was dropped."""
    tau = tau.double()
    left = tau * kept
    if rescale == "density" and 0 < density < 1:
        return left / density
    if rescale == "l1":
        before, after = tau.abs().sum(), left.abs().sum()
        return left if before < 1e-7 or after < 1e-7 else left * (before / after)
    return left


def folded(
    taus: Tensor, weights: Tensor, base: Tensor, *, fold: str, normalize: bool, lambda_: float
) -> Twin:
    """taus [N, ...] with weights [N, 1...] to one merged parameter."""
    terms = taus * weights
    if fold == "sum":
        sides = [(terms.sum(0), weights.sum(0).expand(taus.shape[1:]))] * 2
        sides = [(total, torch.where(d.abs() < 1e-8, 1.0, d)) for total, d in sides]
    elif fold == "magmax":
        sides = contest(terms, weights)
    else:
        sides = election(terms if fold == "weighted" else taus, terms, weights)
    size = terms.abs().sum(0)
    if normalize:
        least = torch.minimum(*(d.abs() for _, d in sides))
        size = size / least * (weights.abs().sum(0) / least).clamp(min=1)
        sides = [(total / d, d) for total, d in sides]
    value, other = (base + lambda_ * total for total, _ in sides)
    return Twin(value, other, base.abs() + abs(lambda_) * size)


def election(ballots: Tensor, terms: Tensor, weights: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(sum, divisor) of the side that wins, and of the one that would if fp32 tipped the vote."""
    vote = ballots.sum(0)
    voters = (ballots != 0).sum(0)
    close = vote.abs() <= UNDECIDED * ballots.abs().sum(0)
    tied = (vote == 0) & (voters <= 2)  # v against -v is a tie in any arithmetic: it elects +
    positive = vote >= 0
    sides = []
    for up in (positive, positive ^ (close & ~tied)):
        agrees = torch.where(up, ballots > 0, ballots < 0)
        divisor = (weights * agrees).sum(0)
        sides.append(((terms * agrees).sum(0), torch.where(divisor == 0, 1.0, divisor)))
    return sides


def contest(terms: Tensor, weights: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(winner, its weight) by magnitude, + before -; and the + that fp32 may see as large as it."""
    first = terms.abs().argmax(0)
    largest = terms.gather(0, first[None])[0].abs()
    rivals = torch.where(terms.abs() >= largest * (1 - UNDECIDED), terms, -torch.inf)
    plus = torch.where(rivals.max(0).values > 0, rivals.argmax(0), first)
    exact = torch.where(terms == largest, 1, 0).argmax(0)  # the first + of exactly that magnitude
    winner = torch.where((terms == largest).any(0), exact, first)
    sides = []
    for owner in (winner, plus):
        value = terms.gather(0, owner[None])[0]
        weight = weights.expand_as(terms).gather(0, owner[None])[0]
        sides.append((value, torch.where((weight == 0) | (value == 0), 1.0, weight)))
    return sides
