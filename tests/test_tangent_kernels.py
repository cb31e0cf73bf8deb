"""The tangents of layer norm, GELU, row norms and tau against torch.func.jvp in float64."""

from __future__ import annotations

import pytest
import torch

import reference_tangent as twin
from tangent_inputs import EXACT, GELUS, assert_close, doubles, random, statistics
from taujp.tangent import kernels
from taujp.tangent.row_norm import row_norm
from tolerance import assert_same_bits

WIDTHS = [1, 5, 16, 33, 100, 768]


@pytest.fixture(params=list(EXACT))
def number(request: pytest.FixtureRequest) -> torch.dtype:
    """Each dtype that the tangents' kernels take."""
    return EXACT[request.param]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("width", WIDTHS)
def test_layer_norm(width, number, device):
    x, dx = (random(3, 7, width, dtype=number, device=device) for _ in range(2))
    scales = [random(width, dtype=number, device=device) for _ in range(3)]
    result = kernels.layer_norm_tangent(x, dx, *statistics(x), *scales)
    assert_close(result, twin.layer_norm_tangent(*doubles(x, dx, *scales)), 24)


@pytest.mark.parametrize("missing", range(16))
def test_layer_norm_without_some_tangents(missing):
    x = random(4, 33, dtype=torch.float64)
    given = [torch.randn_like(x), *(random(33, dtype=torch.float64) for _ in range(3))]
    given = [None if missing >> i & 1 else one for i, one in enumerate(given)]
    dx, *scales = given
    result = kernels.layer_norm_tangent(x, dx, *statistics(x), *scales)
    assert_close(result, twin.layer_norm_tangent(x, dx, *scales), 24)


def test_layer_norm_takes_what_native_layer_norm_returns(number):
    x, dx = (random(5, 40, dtype=number) for _ in range(2))
    _, mean, rstd = torch.native_layer_norm(x, (40,), None, None, 1e-5)
    exact = kernels.layer_norm_tangent(x, dx, *statistics(x))
    rough = kernels.layer_norm_tangent(x, dx, mean, rstd)
    assert (rough.double() - exact.double()).abs().max() <= 0.02 * exact.abs().max()


def test_layer_norm_forgets_a_constant():
    x = random(4, 50, dtype=torch.float64)
    dy = kernels.layer_norm_tangent(x, torch.full_like(x, 3.0), *statistics(x))
    assert dy.abs().max() < 1e-14


@pytest.mark.parametrize("approximate", GELUS)
def test_gelu(approximate, number, device):
    x = random(9, 999, dtype=number, device=device) * 4
    dx = random(9, 999, dtype=number, device=device)
    result = kernels.gelu_tangent(x, dx, approximate)
    steps = 64 if number == torch.float64 else 4  # torch's own 1 - tanh^2 cancels
    assert_close(result, twin.gelu_tangent(*doubles(x, dx), approximate), steps)


@pytest.mark.parametrize("approximate", GELUS)
def test_gelu_far_from_zero(approximate):
    x = torch.tensor([-1e20, -300.0, -87.4, -13.2, -0.0, 0.0, 13.2, 87.4, 300.0, 1e20])
    slope = kernels.gelu_tangent(x, torch.ones_like(x), approximate)
    assert_close(slope, (x.double() > 0) + 0.5 * (x.double() == 0), 4)
    assert kernels.gelu_tangent(torch.tensor([torch.nan]), torch.ones(1), approximate).isnan().all()


def test_gelu_slope_everywhere():
    x = torch.linspace(-12, 12, 200_001)
    for approximate in GELUS:
        slope = kernels.gelu_tangent(x, torch.ones_like(x), approximate)
        exact = twin.gelu_tangent(x.double(), torch.ones_like(x).double(), approximate)
        assert (slope.double() - exact).abs().max() < 2.5e-7


@pytest.mark.parametrize("width", WIDTHS)
def test_row_norms(width, number, device):
    x, grad = random(9, width, dtype=number, device=device), random(9, dtype=number, device=device)
    norm = kernels.row_norm(x)
    assert_close(norm, x.cpu().double().norm(dim=1), 8)
    expected = grad.cpu().double()[:, None] * x.cpu().double() / norm.cpu().double()[:, None]
    assert_close(kernels.row_norm_grad(x, norm, grad), expected, 8)


def test_row_norm_derives():
    x = random(4, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(row_norm, x, check_forward_ad=True)
    dx = torch.randn_like(x)
    expected = torch.func.jvp(lambda x: x.norm(dim=1), (x.detach(),), (dx,))
    for found, wanted in zip(torch.func.jvp(row_norm, (x.detach(),), (dx,)), expected, strict=True):
        torch.testing.assert_close(found, wanted)
    gradient = torch.func.grad(lambda x: row_norm(x).sum())(x.detach())
    torch.testing.assert_close(gradient, x.detach() / x.detach().norm(dim=1, keepdim=True))


def test_row_norm_at_zero():
    x = torch.zeros(3, 5, requires_grad=True)
    norm = row_norm(x)
    norm.sum().backward()
    assert (norm == 0).all()
    assert (x.grad == 0).all()
    _, tangent = torch.func.jvp(row_norm, (torch.zeros(3, 5),), (torch.ones(3, 5),))
    assert (tangent == 0).all()


def test_row_norm_derives_twice():
    x = random(4, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(row_norm, x)


def test_row_norm_wants_rows():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\); expected \(rows, width\)"):
        row_norm(torch.zeros(2, 3, 4))


@pytest.mark.parametrize("result", [None, torch.float32, torch.bfloat16, torch.float16])
def test_deltas(result, dtype, device):
    shapes = [(), (7,), (0,), (33, 5), (100_003,)]
    theta0 = [random(*shape, dtype=dtype, device=device) for shape in shapes]
    theta = [one + 0.01 * torch.randn_like(one) for one in theta0]
    taus = kernels.deltas(theta, theta0, result)
    for tau, one, zero in zip(taus, theta, theta0, strict=True):
        assert_same_bits(tau, (one.float() - zero.float()).to(result or dtype), "tau")


def test_deltas_of_doubles_and_of_nothing():
    theta, theta0 = (random(50, dtype=torch.float64) for _ in range(2))
    assert_same_bits(kernels.deltas([theta], [theta0])[0], theta - theta0, "tau")
    assert kernels.deltas([], []) == []


def test_deltas_are_formed_before_they_are_cast():
    theta0 = torch.ones(10)
    theta = theta0 + 2.0**-12  # below bfloat16's spacing at 1
    (tau,) = kernels.deltas([theta], [theta0], torch.bfloat16)
    assert (tau == 2.0**-12).all()
