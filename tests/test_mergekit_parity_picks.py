"""Methods that pick elements by equal magnitudes or at random, beside mergekit 0.1.5.

Which of equal magnitudes stay is arbitrary in its sort, and its coins are torch's: what is compared
is which magnitudes stay and how many, the share kept, the scale of what stays and the norm. With a
base of zeros and one fine-tune of weight 1 the merged model is what is kept of the fine-tune.
"""

from __future__ import annotations

import pytest
import torch

from mergekit_configs import DTYPES, assert_same_names, both, by_taujp  # noqa: F401
from test_parity_mergekit import assert_same_survivors
from tiny_transformers import tiny, weights  # noqa: F401
from tolerance import same_bits

KEPT = """
merge_method: {method}
base_model: zero
models: [{{model: a, parameters: {{weight: 1.0, density: {density}}}}}]
parameters: {{normalize: false{more}}}
"""


def kept(method: str, density: float, more: str = "") -> str:
    """A configuration whose output is what a method keeps of `a`."""
    return KEPT.format(method=method, density=density, more=more)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("density", [0.01, 0.29, 0.5, 0.95])
@pytest.mark.parametrize("method", ["ties", "breadcrumbs", "breadcrumbs_ties"])
def test_the_same_magnitudes_stay(both, tiny, method, density, dtype):  # noqa: F811
    folders = tiny("llama", dtype)
    ours, theirs = both(kept(method, density), folders)
    assert_same_names(ours, theirs)
    for name, tau in weights(folders["a"]).items():
        assert_same_survivors(tau, ours[name], theirs[name], f"{method} {density} {name}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_sce_selects_as_many(both, tiny, dtype):  # noqa: F811
    """Of equal variances any may stay; those with a larger one all do."""
    config = """
merge_method: sce
base_model: zero
models: [{model: a}, {model: b}]
parameters: {select_topk: 0.3}
"""
    folders = tiny("llama", dtype)
    ours, theirs = both(config, folders)
    assert_same_names(ours, theirs)
    a, b = (weights(folders[name]) for name in "ab")
    for name in ours:
        chosen = [(side[name] != 0).flatten() for side in (ours, theirs)]
        variance = (a[name].double() - b[name].double()).square().flatten()
        for side in chosen:
            count = int(side.sum())
            assert abs(count - int(0.3 * int((variance > 0).sum()))) <= 1 + 0.01 * variance.numel()
            smallest = variance.sort(descending=True).values[count - 1]
            slack = 1e-6 if dtype == torch.float32 else 0.05  # it takes variances in the dtype
            assert (variance[side] >= smallest * (1 - slack)).all(), name


COINS = [
    ("dare_linear", 0.3, ""),
    ("dare_ties", 0.6, ""),
    ("della_linear", 0.4, ", epsilon: 0.2"),
    ("della", 0.5, ", epsilon: 0.1"),
]


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("method", "density", "more"), COINS, ids=[row[0] for row in COINS])
def test_coins_keep_a_share_and_the_norm(both, tiny, method, density, more, dtype):  # noqa: F811
    """rescale is on by default, and keeps sum abs(tau) of every tensor."""
    folders = tiny("llama", dtype)
    ours, theirs = both(kept(method, density, more), folders)
    assert_same_names(ours, theirs)
    step = {torch.float32: 1e-5, torch.float16: 2.0**-9, torch.bfloat16: 2.0**-6}[dtype]
    for name, tau in weights(folders["a"]).items():
        for side in (ours[name], theirs[name]):
            stays = side != 0
            deviation = (0.25 / tau.numel()) ** 0.5
            assert abs(float(stays.double().mean()) - density) < 5 * deviation, name
            scaled = tau[stays].double() * (side[stays].double() / tau[stays].double()).median()
            assert ((side[stays] - scaled).abs() <= step * scaled.abs() + 2.0**-23).all(), name
            norms = [float(part.double().abs().sum()) for part in (side, tau)]
            assert abs(norms[0] - norms[1]) < 2 * step * norms[1], name


def test_della_keeps_the_larger_of_a_row_more_often(both, tiny):  # noqa: F811
    """By quarters of the rank in its row, over all matrices: density +- epsilon, linear in rank."""
    folders = tiny("llama", torch.float32)
    tau = {name: t for name, t in weights(folders["a"]).items() if t.ndim == 2}
    for side in both(kept("della_linear", 0.5, ", epsilon: 0.3"), folders):
        assert_odds(tau, {name: side[name] != 0 for name in tau}, 0.5, 0.3)


def test_della_has_odds_of_its_own_for_each_model(both, tiny):  # noqa: F811
    """A sum of 0 or a and of 0 or 2 b tells which of them stayed."""
    folders = tiny("llama", torch.float32)
    config = """
merge_method: della_linear
base_model: zero
models:
  - {model: a, parameters: {weight: 1.0, density: 0.5, epsilon: 0.3}}
  - {model: b, parameters: {weight: 2.0, density: 0.7, epsilon: 0.05}}
parameters: {normalize: false, rescale: false}
"""
    a, b = (
        {name: t for name, t in weights(folders[model]).items() if t.ndim == 2} for model in "ab"
    )
    for side in both(config, folders):
        sums = {name: torch.stack([0 * a[name], a[name], 2 * b[name], a[name] + 2 * b[name]])
                for name in a}  # fmt: skip
        which = {name: (sums[name] - side[name]).abs().argmin(0) for name in a}
        assert_odds(a, {name: found % 2 == 1 for name, found in which.items()}, 0.5, 0.3)
        assert_odds(b, {name: found >= 2 for name, found in which.items()}, 0.7, 0.05)


def assert_odds(tau, stays, density, epsilon):
    """By quarters of the rank in its row, over all matrices."""
    ordered = [
        stays[name].gather(1, t.abs().argsort(dim=1)).double().unflatten(1, (4, -1))
        for name, t in tau.items()
    ]
    rows = sum(part.shape[0] for part in ordered)
    shares = sum(part.mean(2).sum(0) for part in ordered) / rows
    expected = density + epsilon * (2 * (torch.arange(4) + 0.5) / 4 - 1)
    assert ((shares - expected).abs() < 5 * (0.25 / (rows * 8)) ** 0.5).all(), shares


def test_a_seed_is_one_draw(tiny, tmp_path):  # noqa: F811
    folders = tiny("llama", torch.bfloat16)
    drawn = []
    for number, seed in enumerate((1, 1, 2)):
        place = tmp_path / str(number)
        place.mkdir()
        out = by_taujp(kept("dare_linear", 0.5), folders, place, seed=seed)
        drawn.append(weights(out))
    name = "model.layers.2.mlp.up_proj.weight"
    assert same_bits(drawn[0][name], drawn[1][name])
    assert not same_bits(drawn[0][name], drawn[2][name])
    assert not torch.equal(drawn[0][name] != 0, drawn[2][name] != 0)
