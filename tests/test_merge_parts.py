"""What whole-tensor methods are made of, and their simplest case: one checkpoint."""

from __future__ import annotations

import pytest
import torch

import taujp
import taujp_ext
from states import random_states
from taujp import MergeError


def test_one_checkpoint_is_itself():
    """Where the maths says so: nothing dropped, nothing truncated, one direction alone."""
    base, (theta,) = random_states(1)
    dense = {"density": 1.0}
    ways = {
        "multislerp": {}, "karcher": {}, "sce": {}, "ram": {"epsilon": 0.0}, "tsv_m": {},
        "ramplus_tl": {"epsilon": 0.0}, "della": dense, "della_linear": dense,
        "consensus": {"tasks": 1}, "average": {}, "passthrough": {}, "svc": {},
    }  # fmt: skip
    for name, options in ways.items():
        theta0 = None if taujp.methods()[name].base == "none" else base
        found = taujp.merge_many([theta], [1.0], theta0, method=name, **options)
        for key, tensor in found.items():
            torch.testing.assert_close(
                tensor, theta[key], rtol=1e-6, atol=2e-7, msg=f"{name} {key}"
            )


def test_a_part_may_be_passed_through_scaled():
    _, (theta,) = random_states(1)
    found = taujp.merge_many([theta], {"norm": [0.5], "*": [1.0]}, method="passthrough")
    assert torch.equal(found["norm"], theta["norm"] * 0.5)
    assert torch.equal(found["embed"], theta["embed"])
    with pytest.raises(MergeError, match="it takes no base, one checkpoint"):
        taujp.merge_many([theta, theta], [1.0, 1.0], method="passthrough")


def test_coins_are_those_of_the_kernels():
    """Across 2^32 too, where the key changes."""
    from taujp.merge.coins import coins, thresholds

    stream, half = taujp_ext.stream(), torch.tensor([0.37], dtype=torch.float64)
    for key in (0, 12345, 2**64 - 7):
        for first in (0, 1000, 2**32 - 9, 5 * 2**32 + 3):
            drawn = coins(key, first, 40, torch.device("cpu")) < thresholds(half)
            assert drawn.float().tolist() == list(stream.heads_from(key, 0.37, first, 40))


def test_decompositions_by_products_are_those_of_an_svd():
    from taujp.merge.orthogonal import orthogonal
    from taujp.merge.spectrum import spectrum

    generator = torch.Generator().manual_seed(0)
    for shape in ((40, 90), (90, 40), (50, 50)):
        scale = torch.logspace(0, -4, 40, dtype=torch.float64)
        left, right = (
            torch.linalg.qr(torch.randn(size, 40, generator=generator).double())[0]
            for size in shape
        )
        matrix = (left * scale) @ right.mT
        u, s, v = spectrum(matrix)
        torch.testing.assert_close(s, scale, rtol=1e-8, atol=1e-12)
        torch.testing.assert_close(u * s @ v, matrix, rtol=0, atol=1e-12)
        torch.testing.assert_close(orthogonal(matrix), left @ right.mT, rtol=0, atol=1e-7)
