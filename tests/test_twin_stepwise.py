"""rounding="stepwise" against the chain of plain torch operations: the same bits."""

from __future__ import annotations

import pytest

import taujp
from reference import METHODS
from reference_stepwise import stepwise
from states import on, random_states
from tolerance import assert_same_bits

WITH_BASE = [method for method in METHODS if method != "linear"]


def check(device, dtype, n, coefs, *, method, **options) -> None:
    """merge_many stepwise, against the chain."""
    base, ckpts = random_states(n, dtype)
    merged = taujp.merge_many(
        [on(device, c) for c in ckpts],
        coefs,
        on(device, base),
        method=method,
        rounding="stepwise",
        **options,
    )
    expected = stepwise(ckpts, coefs, base, method=method, **options)
    for name, tensor in merged.items():
        assert_same_bits(tensor, expected[name], f"{method} {options} {name}")


@pytest.mark.parametrize("n", [1, 2, 5, 16])
@pytest.mark.parametrize("method", WITH_BASE)
def test_chain(method, n, device, dtype):
    check(device, dtype, n, [0.3 + 0.1 * i for i in range(n)], method=method, **no_rescale(method))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("method", WITH_BASE)
def test_chain_with_lambda(method, normalize, device, dtype):
    options = {"lambda_": 0.3, "normalize": normalize, **no_rescale(method)}
    check(device, dtype, 3, [0.9, -0.2, 0.37], method=method, **options)


@pytest.mark.parametrize("method", ["ties", "breadcrumbs_ties", "dare_ties"])
def test_chain_with_the_papers_election(method, device, dtype):
    options = {"election": "unweighted", **no_rescale(method)}
    check(device, dtype, 3, [0.9, 0.2, 0.37], method=method, **options)


def test_chain_of_dare_with_its_rescale(device, dtype):
    check(device, dtype, 3, [0.9, 0.2, 0.37], method="dare_linear", rescale="density", density=0.3)


def no_rescale(method: str) -> dict:
    """DARE without its rescale, which the twin leaves out by default."""
    return {"rescale": None} if method.startswith("dare") else {}
