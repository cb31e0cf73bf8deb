"""The attention tangent against torch.func.jvp of the primal in float64."""

from __future__ import annotations

import pytest
import torch

import reference_tangent as twin
from tangent_inputs import EXACT, SHAPES, assert_close, doubles, heads_of, mask_of
from taujp.tangent import kernels


@pytest.fixture(params=list(EXACT))
def number(request: pytest.FixtureRequest) -> torch.dtype:
    """Each dtype that the tangents' kernels take."""
    return EXACT[request.param]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("kind", ["none", "full", "keys", "causal"])
@pytest.mark.parametrize("shape", SHAPES)
def test_attention(shape, kind, number, device):
    heads, dheads = (heads_of(shape, number, device) for _ in range(2))
    mask, causal = mask_of(kind, shape, heads[0]), kind == "causal"
    scale = shape[4] ** -0.5
    result = kernels.attention_tangent(*heads, *dheads, mask, scale, causal)
    expected = twin.attention_tangent(
        doubles(*heads), doubles(*dheads), *doubles(mask), scale, causal
    )
    assert_close(result, expected, 64)
    assert result.transpose(1, 2).is_contiguous()


@pytest.mark.parametrize("missing", range(8))
def test_attention_without_some_tangents(missing, device):
    heads, dheads = (heads_of((1, 2, 5, 9, 8, 6), torch.float64, device) for _ in range(2))
    dheads = [None if missing >> i & 1 else one for i, one in enumerate(dheads)]
    result = kernels.attention_tangent(*heads, *dheads)
    expected = twin.attention_tangent(doubles(*heads), doubles(*dheads), None, 8**-0.5, False)
    assert_close(result, expected, 64)


def test_attention_of_nothing_but_masked_keys_is_zero(number, device):
    heads, dheads = (heads_of((1, 1, 4, 20, 8, 8), number, device) for _ in range(2))
    mask = torch.zeros(1, 1, 4, 20, dtype=number, device=device)
    mask[:, :, 2] = -torch.inf
    result = kernels.attention_tangent(*heads, *dheads, mask)
    assert (result[:, :, 2] == 0).all()
    assert result.isfinite().all()
    assert (result[:, :, 1] != 0).all()


def test_attention_of_large_scores():
    heads, dheads = (heads_of((1, 1, 6, 20, 8, 8), torch.float64, "cpu") for _ in range(2))
    far = kernels.attention_tangent(*[one.float() for one in (*heads, *dheads)], scale=1e4)
    best = (heads[0] @ heads[1].mT).argmax(-1)  # all the weight: no dS, dO is dV's row
    torch.testing.assert_close(far[0, 0], dheads[2][0, 0, best[0, 0]].float())


def test_kernels_are_linear_in_the_tangents():
    shape, options = (1, 2, 9, 11, 8, 8), {"dtype": torch.float64, "device": "cpu"}
    heads, one, other = (heads_of(shape, **options) for _ in range(3))
    both = [2 * a - 3 * b for a, b in zip(one, other, strict=True)]
    expected = 2 * kernels.attention_tangent(*heads, *one)
    expected -= 3 * kernels.attention_tangent(*heads, *other)
    torch.testing.assert_close(
        kernels.attention_tangent(*heads, *both), expected, rtol=1e-12, atol=1e-13
    )


def test_attention_of_a_permutation_of_the_keys():
    heads, dheads = (heads_of((1, 2, 5, 40, 8, 8), torch.float64, "cpu") for _ in range(2))
    order = torch.randperm(40)
    moved = [[q, k[:, :, order], v[:, :, order]] for q, k, v in (heads, dheads)]
    torch.testing.assert_close(
        kernels.attention_tangent(*moved[0], *moved[1]),
        kernels.attention_tangent(*heads, *dheads),
        rtol=1e-12,
        atol=1e-13,
    )
