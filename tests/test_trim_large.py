"""Trimming tensors large enough for the sampled search: exactly the elements a stable sort keeps.

The distributions are chosen against it: ties in masses, clusters that a sample misses, extremes.
"""

from __future__ import annotations

import pytest
import torch

import taujp

SIZE = 400_000


def ordinary(generator):
    return torch.randn(SIZE, generator=generator)


def rounded(generator):
    return (torch.randn(SIZE, generator=generator) * 8).round()


def zeros(generator):
    return torch.zeros(SIZE)


def mostly_zeros(generator):
    return torch.randn(SIZE, generator=generator) * (torch.rand(SIZE, generator=generator) < 0.03)


def clustered(generator):
    """Large values all in one place, between two places of the sample."""
    tau = 1e-3 * torch.randn(SIZE, generator=generator)
    tau[100_000:180_000] *= 1e4
    return tau


def rising(generator):
    return torch.linspace(-1, 1, SIZE)


def alternating(generator):
    return torch.where(torch.arange(SIZE) % 64 < 32, 1.0, 2.0)


DISTRIBUTIONS = [ordinary, rounded, zeros, mostly_zeros, clustered, rising, alternating]


def kept_by_sort(tau: torch.Tensor, keep: int, skip: int = 0) -> torch.Tensor:
    """Ranks [skip, skip + keep) by magnitude, equal ones by index."""
    order = torch.argsort(tau.abs(), descending=True, stable=True)[skip : skip + keep]
    kept = torch.zeros_like(tau)
    kept[order] = tau[order]
    return kept


@pytest.mark.parametrize("density", [0.05, 0.2, 0.29, 0.9])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_ties_keeps_what_a_stable_sort_keeps(distribution, density):
    tau = distribution(torch.Generator().manual_seed(0))
    base = {"w": torch.zeros(SIZE)}
    merged = taujp.merge_many([{"w": tau}], [1.0], base, method="ties", density=density)
    assert torch.equal(merged["w"], kept_by_sort(tau, int(density * SIZE)))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_breadcrumbs_keeps_what_a_stable_sort_keeps(distribution):
    tau = distribution(torch.Generator().manual_seed(1))
    base = {"w": torch.zeros(SIZE)}
    merged = taujp.merge_many(
        [{"w": tau}, {"w": tau.flip(0)}], [1.0, 0.0], base, method="breadcrumbs", density=0.6
    )
    assert torch.equal(merged["w"], kept_by_sort(tau, int(0.6 * SIZE), int(0.01 * SIZE)))


@pytest.mark.parametrize("density", [1e-7, 0.05, 0.29, 0.9])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_sce_keeps_a_share_of_what_varies(distribution, density):
    """One task vector beside an empty one: its square is the variance, and it alone is merged."""
    tau = distribution(torch.Generator().manual_seed(2))
    merged = taujp.merge_many(
        [{"w": tau}, {"w": torch.zeros(SIZE)}], [1.0, 1.0], {"w": torch.zeros(SIZE)},
        method="sce", density=density,
    )  # fmt: skip
    quarter = tau.double().square() / 4
    variance = (quarter + quarter.float()).float()
    kept = kept_by_sort(variance, int(density * int((variance != 0).sum())))
    assert torch.equal(merged["w"], tau * (kept != 0))
