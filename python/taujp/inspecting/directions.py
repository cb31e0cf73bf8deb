"""The strongest singular directions of one matrix of all models, and how they lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from taujp.checkpoint import Checkpoint, tensor_of
from taujp.merge.spectrum import Spectrum, strongest

EXACT = 1024  # rows or columns; above, a randomised method finds the strongest
_MORE, _ROUNDS = 8, 4  # of it: further directions, and power iterations


@dataclass(frozen=True)
class OneMatrix:
    """shares [N, k], stable_ranks [N], overlap [N, N], interference; as in result.Directions."""

    shares: torch.Tensor
    stable_ranks: torch.Tensor
    overlap: torch.Tensor
    interference: float


def directions_of(
    base: Checkpoint | None, checkpoints: Sequence[Checkpoint], name: str, k: int
) -> OneMatrix:
    """One matrix [m, n] of each model; one at a time is in memory, in fp32."""
    kept, norms = [], []
    theta0 = None if base is None else tensor_of(base, name).detach().cpu().float()
    for checkpoint in checkpoints:
        tau = tensor_of(checkpoint, name).detach().cpu().float()
        tau = tau if theta0 is None else tau - theta0
        norms.append(float(torch.linalg.vector_norm(tau.double())))
        kept.append(_strongest(tau, k) if norms[-1] > 0 else None)
    return _beside(kept, norms, k)


def _strongest(matrix: torch.Tensor, k: int) -> Spectrum:
    if min(matrix.shape) <= EXACT:
        return strongest(matrix, k)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        left, values, right = torch.svd_lowrank(matrix, q=k + _MORE, niter=_ROUNDS)
    return Spectrum(left[:, :k].double(), values[:k].double(), right[:, :k].mT.double())


def _beside(kept: Sequence[Spectrum | None], norms: Sequence[float], k: int) -> OneMatrix:
    n = len(kept)
    shares, ranks = torch.zeros(n, k, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    overlap = torch.zeros(n, n, dtype=torch.float64)
    for i, one in enumerate(kept):
        if one is None:
            continue
        energies = (one.values / norms[i]) ** 2
        shares[i, : len(energies)], ranks[i] = energies, 1 / energies[0]
        for j, other in enumerate(kept):
            if other is not None:
                both = (one.left.mT @ other.left).square().sum()
                both += (one.right @ other.right.mT).square().sum()
                overlap[i, j] = both / (2 * max(len(one.values), len(other.values)))
    return OneMatrix(shares, ranks, overlap, _interference([one for one in kept if one]))


def _interference(kept: Sequence[Spectrum]) -> float:
    if not kept:
        return 0.0
    left = torch.cat([one.left for one in kept], 1)
    right = torch.cat([one.right for one in kept])
    values = torch.cat([one.values for one in kept])
    apart = [
        gram - torch.eye(len(values), dtype=gram.dtype)
        for gram in (left.mT @ left, right @ right.mT)
    ]
    return float(((apart[0] * values) @ apart[1]).abs().sum() / values.sum())
