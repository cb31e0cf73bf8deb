"""Against mergekit 0.1.5 as installed from the registry: an oracle, nothing of it is copied.

At density 1 (nothing dropped) `stepwise` gives its bits. At a magnitude threshold its choice among
equal magnitudes is arbitrary, so there the sets are compared: all above kept, all below dropped,
the count equal to k.
"""

from __future__ import annotations

import os

import pytest
import torch

import taujp
from mergekit_peer import open_peer, reason_for_no_peer
from reference import twin
from reference_stepwise import stepwise
from states import random_states
from tolerance import assert_same_bits

DENSE = {
    "task_arithmetic": {},
    "ties": {"density": 1.0},
    "dare_linear": {"density": 1.0},
    "dare_ties": {"density": 1.0},
    "breadcrumbs": {"density": 1.0},
    "breadcrumbs_ties": {"density": 1.0},
}
HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture(scope="module")
def mergekit(tmp_path_factory):
    """merge(models, method, base, parameters), or a skip that says what is missing."""
    if reason := reason_for_no_peer(os.environ.get("TAUJP_PEER_PYTHON")):
        pytest.skip(f"not compared with mergekit: {reason}")
    peer = open_peer(tmp_path_factory.mktemp("peer"))
    yield peer
    peer.close()


def ask(mergekit, base, ckpts, coefs, method, **parameters):
    """mergekit's merge of fine-tunes of a base, with parameters of our names."""
    parameters = {name.rstrip("_"): value for name, value in parameters.items()}
    weights = {str(i + 1): c for i, c in enumerate(coefs)}
    return mergekit([base, *ckpts], method, True, {"weight": weights, **parameters})


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("lambda_", [1.0, 0.3])
@pytest.mark.parametrize("method", DENSE)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_stepwise_at_density_one_is_mergekit_to_the_bit(
    mergekit, dtype, method, lambda_, normalize
):
    for coefs in ([0.7], [0.4, 0.35], [0.3, 0.3, 0.3, 0.3, -0.1, 0.9], [1 / 16] * 16):
        base, ckpts = random_states(len(coefs), dtype)
        options = {"normalize": normalize, "lambda_": lambda_, **DENSE[method]}
        theirs = ask(mergekit, base, ckpts, coefs, method, **options)
        ours = taujp.merge_many(ckpts, coefs, base, method=method, rounding="stepwise", **options)
        for name, tensor in ours.items():
            assert_same_bits(tensor, theirs[name], f"{method} {options} {coefs} {name}")


@pytest.mark.parametrize("method", DENSE)
def test_stepwise_in_fp32_is_mergekit_to_1e_8(mergekit, method):
    base, ckpts = random_states(6)
    coefs = [0.3, 0.2, 0.1, 0.25, -0.1, 0.4]
    theirs = ask(mergekit, base, ckpts, coefs, method, **DENSE[method])
    ours = taujp.merge_many(ckpts, coefs, base, method=method, rounding="stepwise", **DENSE[method])
    for name, tensor in ours.items():
        # The order of its sum depends on the shape; a vote within a rounding of zero may differ.
        off = (tensor.double() - theirs[name].double()).abs() > 1e-8 + 2.0**-23 * base[name].abs()
        assert off.sum() <= 1e-4 * off.numel(), f"{method} {name}: {int(off.sum())} elements"


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32], ids=str)
def test_linear(mergekit, dtype):
    """Its linear accumulates in fp32 by fused multiply-add and rounds once: our default."""
    for coefs in ([0.7], [0.4, 0.35], [0.3, 0.5, 0.1, -0.2]):
        _, ckpts = random_states(len(coefs), dtype)
        weights = {str(i): c for i, c in enumerate(coefs)}
        for normalize in (False, True):
            theirs = mergekit(ckpts, "linear", False, {"weight": weights, "normalize": normalize})
            ours = taujp.merge_many(ckpts, coefs, normalize=normalize)
            for name, tensor in ours.items():
                assert_same_bits(tensor, theirs[name], f"linear {coefs} {normalize} {name}")


def probe(dtype):
    """A base of zeros and one fine-tune: what a merge with weight 1 returns is what it keeps."""
    _, (tau,) = random_states(1, dtype)
    return {name: torch.zeros_like(t) for name, t in tau.items()}, tau


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32], ids=str)
@pytest.mark.parametrize("density", [0.001, 0.29, 0.5, 0.95])
@pytest.mark.parametrize("method", ["ties", "breadcrumbs", "breadcrumbs_ties"])
def test_survivors_as_sets(mergekit, method, density, dtype):
    base, tau = probe(dtype)
    theirs = ask(mergekit, base, [tau], [1.0], method, density=density)
    ours = taujp.merge_many([tau], [1.0], base, method=method, density=density)
    for name, tensor in ours.items():
        assert_same_survivors(tau[name], tensor, theirs[name], f"{method} {density} {name}")


def assert_same_survivors(tau, ours, theirs, what) -> None:
    """As many of every magnitude; where one is wholly kept or dropped, element by element."""
    assert int((ours != 0).sum()) == int((theirs != 0).sum()), what
    magnitudes = tau.float().abs().flatten()
    for value in magnitudes[(ours != theirs).flatten()].unique():
        equal = magnitudes == value
        kept = [int((side.flatten()[equal] != 0).sum()) for side in (ours, theirs)]
        assert kept[0] == kept[1], (
            f"{what}: of {int(equal.sum())} elements of magnitude {value}: {kept}"
        )
        assert 0 < kept[0] < int(equal.sum()), f"{what}: magnitude {value} is no threshold"


def test_dare_keeps_the_norm_as_mergekit_does(mergekit):
    """Coins differ; with rescale="l1" both keep sum abs(tau), and scale survivors alike."""
    base, tau = probe(torch.float32)
    theirs = ask(mergekit, base, [tau], [1.0], "dare_linear", density=0.3)
    ours = taujp.merge_many([tau], [1.0], base, method="dare_linear", density=0.3, rescale="l1")
    for name in ("block.weight", "embed"):
        norm = tau[name].abs().sum()
        for side in (ours[name], theirs[name]):
            torch.testing.assert_close(side.abs().sum(), norm, rtol=1e-5, atol=0)
            kept = side != 0
            scales = side[kept] / tau[name][kept]
            torch.testing.assert_close(scales, scales[:1].expand_as(scales), rtol=1e-5, atol=0)
            assert abs(float(kept.float().mean()) - 0.3) < 5 * (0.21 / kept.numel()) ** 0.5


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "breadcrumbs_ties"])
def test_the_twins_agree_with_mergekit(mergekit, method):
    """The references themselves: the chain to the bit, the float64 twin within bf16's steps."""
    base, ckpts = random_states(3, torch.bfloat16)
    coefs = [0.5, 0.3, 0.2]
    theirs = ask(mergekit, base, ckpts, coefs, method, **DENSE[method])
    chain = stepwise(ckpts, coefs, base, method=method, **DENSE[method])
    exact = twin(ckpts, coefs, base, method=method, **DENSE[method])
    for name, tensor in theirs.items():
        assert_same_bits(chain[name], tensor, f"{method} {name}")
        off = (tensor.double() - exact[name].value).abs() > 2.0**-6 * exact[name].scale
        assert off.sum() <= 1e-2 * off.numel()  # votes that bf16 tipped
