"""Every method against the float64 twin: dtypes, devices, shapes, options."""

from __future__ import annotations

import pytest
import torch

import taujp
from reference import METHODS, twin
from states import on, random_states
from tolerance import assert_close_to_twin

COEFS = [0.4, 0.3, -0.2, 0.7]


def check(device, base, ckpts, coefs, *, dtype=None, method, **options) -> None:
    """merge_many on the device, against the twin."""
    theta0 = None if method == "linear" else base
    merged = taujp.merge_many(
        [on(device, c) for c in ckpts],
        coefs,
        None if theta0 is None else on(device, theta0),
        method=method,
        dtype=dtype,
        **options,
    )
    expected = twin(ckpts, coefs, theta0, method=method, **options)
    assert list(merged) == list(base)
    for name, tensor in merged.items():
        assert tensor.device.type == device.type
        assert tensor.dtype == (dtype or base[name].dtype)
        assert_close_to_twin(tensor, expected[name], len(ckpts), f"{method} {options} {name}")


@pytest.mark.parametrize("method", METHODS)
def test_defaults(method, device, dtype):
    base, ckpts = random_states(4, dtype)
    check(device, base, ckpts, COEFS, method=method)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 17])
@pytest.mark.parametrize("method", METHODS)
def test_counts_of_checkpoints(method, n, device):
    base, ckpts = random_states(n, torch.bfloat16)
    check(device, base, ckpts, [0.1 + 0.05 * i for i in range(n)], method=method)


@pytest.mark.parametrize("lambda_", [0.0, 0.3, -1.5])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_normalize_and_lambda(method, normalize, lambda_, device):
    base, ckpts = random_states(3)
    check(
        device, base, ckpts, [0.5, 0.25, 1.0], method=method, normalize=normalize, lambda_=lambda_
    )


@pytest.mark.parametrize("election", ["weighted", "unweighted"])
@pytest.mark.parametrize("method", ["ties", "dare_ties", "breadcrumbs_ties"])
def test_elections(method, election, device, dtype):
    base, ckpts = random_states(4, dtype)
    check(device, base, ckpts, [0.9, 0.1, 0.2, -0.3], method=method, election=election)


@pytest.mark.parametrize("density", [1.0, 0.7, 0.05, 1e-6, [0.9, 0.5, 0.01]])
@pytest.mark.parametrize(
    "method", ["ties", "breadcrumbs", "breadcrumbs_ties", "dare_linear", "dare_ties"]
)
def test_densities(method, density, device):
    base, ckpts = random_states(3, torch.bfloat16)
    check(device, base, ckpts, [0.5, 0.3, 0.2], method=method, density=density)


@pytest.mark.parametrize("gamma", [0.0, 0.2, 0.95])
def test_outliers(gamma, device):
    base, ckpts = random_states(3)
    for method in ("breadcrumbs", "breadcrumbs_ties"):
        check(device, base, ckpts, [0.5, 0.3, 0.2], method=method, gamma=gamma, density=0.3)


def test_trim_over_the_whole_model(device, dtype):
    base, ckpts = random_states(3, dtype)
    check(device, base, ckpts, [0.5, 0.3, 0.2], method="ties", trim="model")


@pytest.mark.parametrize("rescale", ["density", "l1", None])
@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_rescales(method, rescale, device, dtype):
    base, ckpts = random_states(3, dtype)
    check(device, base, ckpts, [0.5, 0.3, 0.2], method=method, rescale=rescale, density=0.3, seed=5)


@pytest.mark.parametrize("method", METHODS)
def test_mixed_dtypes(method, device):
    base, _ = random_states(1, torch.bfloat16)
    ckpts = [
        random_states(3, d)[1][i]
        for i, d in enumerate((torch.float32, torch.float16, torch.bfloat16))
    ]
    for dtype in (None, torch.float32, torch.float16):
        if method == "linear" and dtype is None:
            continue  # its donor is the first checkpoint, of another dtype than `base`
        check(device, base, ckpts, [0.5, 0.3, 0.2], method=method, dtype=dtype)


@pytest.mark.parametrize("method", METHODS)
def test_real_ties_of_magnitude(method, device):
    """Few distinct magnitudes: ranks are decided by the index, votes by the rule for ties."""
    generator = torch.Generator().manual_seed(3)
    base = {"w": torch.zeros(50, 41)}
    ckpts = [{"w": torch.randint(-2, 3, (50, 41), generator=generator) / 8} for _ in range(2)]
    for coefs in ([0.5, 0.5], [0.3, 0.3], [1.0, 0.0]):
        check(device, base, ckpts, coefs, method=method)


def test_coefficients_of_groups(device):
    base, ckpts = random_states(2)
    groups = {"block.*": [0.1, 0.9], "*": [[0.7, 0.2]][0]}
    merged = taujp.merge_many([on(device, c) for c in ckpts], groups, on(device, base))
    for name, tensor in merged.items():
        coefs = groups["block.*"] if name.startswith("block.") else groups["*"]
        assert_close_to_twin(
            tensor, twin(ckpts, coefs, base, method="task_arithmetic")[name], 2, name
        )
