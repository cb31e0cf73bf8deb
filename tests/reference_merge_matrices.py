"""Twins of the methods that decompose matrices, by torch.linalg.svd."""

from __future__ import annotations

import torch
from torch import Tensor

from reference_merge_given import Given
from reference_merge_weights import scaled


def decomposed(matrix: Tensor, weakest: float = 1e-6) -> tuple[Tensor, Tensor, Tensor]:
    """SVD; directions below `weakest`, of the strongest, are none."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    kept = s > weakest * s.max() if s.numel() else s > 0
    return u[:, kept], s[kept], v[kept]


def polar(matrix: Tensor, weakest: float = 1e-6) -> Tensor:
    u, _, v = decomposed(matrix, weakest)
    return u @ v


def tsv_m(given: Given) -> Tensor:
    taus, n = scaled(given), len(given.vectors)
    if taus[0].ndim != 2 or min(taus[0].shape) < n:
        return sum(taus) / n
    k = min(taus[0].shape) // n
    triples = [decomposed(tau) for tau in taus]
    u = torch.cat([u[:, :k] for u, _, _ in triples], 1)
    s = torch.cat([s[:k] for _, s, _ in triples])
    v = torch.cat([v[:k] for _, _, v in triples])
    return polar(u, 1e-9) @ torch.diag(s) @ polar(v, 1e-9)


def iso_c(given: Given) -> Tensor:
    taus = scaled(given)
    if taus[0].ndim != 2:
        return sum(taus) / len(taus)
    if taus[0].numel() == 0:
        return taus[0]
    total = sum(taus)
    return polar(total, 2.0**-23) * torch.linalg.svdvals(total).mean()


def iso_cts(given: Given, *, common: float = 0.8) -> Tensor:
    taus, n = scaled(given), len(given.vectors)
    if taus[0].ndim != 2:
        return sum(taus) / n
    if taus[0].numel() == 0:
        return taus[0]
    rank = min(taus[0].shape)
    own = round((rank - int(rank * common)) / n)
    u, s, v = (part for part in torch.linalg.svd(sum(taus), full_matrices=False))
    room = rank - n * own
    us, ss, vs = [u[:, :room]], [s[:room]], [v[:room]]
    for tau in taus:
        x, y, z = torch.linalg.svd(tau - us[0] @ us[0].T @ tau, full_matrices=False)
        us.append(x[:, :own])
        ss.append(y[:own])
        vs.append(z[:own])
    return polar(torch.cat(us, 1), 1e-9) @ polar(torch.cat(vs), 1e-9) * torch.cat(ss).mean()


def svc(given: Given, *, alpha: float = 0.1) -> Tensor:
    total = sum(scaled(given))
    if total.ndim != 2 or total.numel() == 0:
        return total
    u, _, _ = decomposed(total)
    result = torch.zeros_like(total)
    for r in range(u.shape[1]):
        merged_response = u[:, r] @ total
        shares = []
        for tau in given.vectors:
            response = u[:, r] @ tau
            size = float(response @ response)
            shares.append(float(merged_response @ response) / size if size > 0 else 0.0)
        gamma = len(shares) / sum(max(alpha, share) for share in shares)
        result += gamma * torch.outer(u[:, r], merged_response)
    return result


def wudi(given: Given, *, steps: int = 300, rate: float = 1e-5) -> Tensor:
    """Adam of torch on the loss as it is written."""
    taus = scaled(given)
    if taus[0].ndim != 2:
        return sum(taus) / len(taus)
    merged = sum(taus).clone().requires_grad_()
    optimiser = torch.optim.Adam([merged], lr=rate)
    for _ in range(steps if merged.numel() else 0):
        loss = sum(
            ((merged - tau) @ tau.T).square().sum() / tau.square().sum()
            for tau in taus
            if tau.any()
        )
        optimiser.zero_grad()
        torch.as_tensor(loss).backward()
        optimiser.step()
    return merged.detach()
