"""Whole-tensor methods against mergekit 0.1.5 as installed: an oracle, nothing of it is copied.

It works in the input's dtype (slerp in fp32), so fp32 inputs are compared, to a few roundings of
the largest task vector; where a threshold decides, all but a few elements.
"""

from __future__ import annotations

import pytest
import torch

import taujp
from states import random_states
from test_parity_mergekit import mergekit  # noqa: F401  (the fixture)

SHAPES = ("block.weight", "block.bias", "norm")


def states(n: int, dtype=torch.float32, *, size: float = 0.02):
    """Matrices and vectors: it has no 0-d or empty parameters in these methods."""
    base, ckpts = random_states(n, dtype, size=size)
    return [{name: state[name] for name in SHAPES} for state in (base, *ckpts)]


def weights(first: int, coefs: list[float]) -> dict[str, float]:
    return {str(first + i): c for i, c in enumerate(coefs)}


def assert_near(
    ours, theirs, *, share: float = 0.0, tolerance: float = 2e-7, what: str = ""
) -> None:
    """Within `tolerance` of the largest magnitude, but for a share of the elements."""
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype
        error = (tensor.double() - theirs[name].double()).abs()
        off = error > tolerance * theirs[name].double().abs().max()
        assert off.sum() <= share * off.numel(), (
            f"{what} {name}: {int(off.sum())} of {off.numel()} off, up to {float(error.max()):.3g}"
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("size", [0.02, 2.0])  # nearly parallel: a line; and an arc
def test_slerp(mergekit, dtype, t, size):  # noqa: F811
    _, a, b = states(2, dtype, size=size)
    theirs = mergekit([a, b], "slerp", True, {"t": t})
    ours = taujp.merge_many([a, b], [1 - t, t], method="slerp")
    assert_near(ours, theirs, tolerance=2e-7 if dtype == torch.float32 else 2.0**-8, what=f"{t}")


@pytest.mark.parametrize(
    ("along", "flags"),
    [
        ("tensor", {}),
        ("rows", {"nuslerp_flatten": False}),
        ("columns", {"nuslerp_flatten": False, "nuslerp_row_wise": True}),
    ],
)
@pytest.mark.parametrize("based", [True, False])
def test_nuslerp(mergekit, along, flags, based):  # noqa: F811
    base, a, b = states(2, size=1.0)
    for coefs in ([0.5, 0.5], [0.2, 0.6]):
        models = [base, a, b] if based else [a, b]
        theirs = mergekit(models, "nuslerp", based, {"weight": weights(based, coefs), **flags})
        ours = taujp.merge_many(
            [a, b], coefs, base if based else None, method="nuslerp", along=along
        )
        if along == "columns":  # of a 1-D parameter: single numbers, +-1, where fp32 has 0 / 0
            ours = {name: tensor for name, tensor in ours.items() if tensor.ndim > 1}
        assert_near(ours, theirs, tolerance=2e-6, what=f"{along} {coefs}")


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("based", [True, False])
def test_multislerp(mergekit, normalize, based):  # noqa: F811
    base, *ckpts = states(3, size=0.5)
    for coefs in ([1.0, 1.0, 1.0], [0.5, 0.3, 0.1]):
        models = [base, *ckpts] if based else ckpts
        parameters = {"weight": weights(based, coefs), "normalize_weights": normalize}
        theirs = mergekit(models, "multislerp", based, parameters)
        ours = taujp.merge_many(
            ckpts, coefs, base if based else None, method="multislerp", normalize=normalize
        )
        assert_near(ours, theirs, tolerance=1e-6, what=f"{coefs}")


@pytest.mark.parametrize(("steps", "tolerance"), [(10, 1e-5), (1, 1e-5), (50, 1e-7)])
@pytest.mark.parametrize("size", [0.02, 1.0])
def test_karcher(mergekit, steps, tolerance, size):  # noqa: F811
    _, *ckpts = states(4, size=size)
    theirs = mergekit(ckpts, "karcher", False, {"max_iter": steps, "tol": tolerance})
    options = {"steps": steps, "tolerance": tolerance}
    ours = taujp.merge_many(ckpts, [1.0] * 4, method="karcher", **options)
    assert_near(ours, theirs, tolerance=3e-5, what=f"{options}")  # its angles are in fp32


@pytest.mark.parametrize("by", ["tensor", "row"])
@pytest.mark.parametrize("n", [2, 5])
def test_model_stock(mergekit, by, n):  # noqa: F811
    base, *ckpts = states(n)
    theirs = mergekit([base, *ckpts], "model_stock", True, {"filter_wise": by == "row"})
    ours = taujp.merge_many(ckpts, [1.0] * n, base, method="model_stock", by=by)
    assert_near(ours, theirs, tolerance=1e-6, what=by)


@pytest.mark.parametrize("t", [0.0, 1e-4, 0.01, 1.0])
def test_nearswap(mergekit, t):  # noqa: F811
    base, theta = states(1)
    theirs = mergekit([base, theta], "nearswap", True, {"t": t})
    assert_near(taujp.merge_many([theta], [t], base, method="nearswap"), theirs, what=f"{t}")


@pytest.mark.parametrize("density", [1.0, 0.73, 0.1])
def test_sce(mergekit, density):  # noqa: F811
    base, *ckpts = states(3)
    theirs = mergekit([base, *ckpts], "sce", True, {"select_topk": density})
    ours = taujp.merge_many(ckpts, [1.0] * 3, base, method="sce", density=density)
    # a variance at the threshold, or a vote, within a rounding
    assert_near(ours, theirs, share=1e-3, tolerance=1e-6, what=f"{density}")


@pytest.mark.parametrize("size", [0.3, 2.0])
def test_arcee_fusion(mergekit, size):  # noqa: F811
    base, theta = states(1, size=size)
    theirs = mergekit([base, theta], "arcee_fusion", True, {})
    ours = taujp.merge_many([theta], [1.0], base, method="arcee_fusion")
    # its divergences have fp32's noise: importances at the threshold fall either way
    assert_near(ours, theirs, share=1e-3, what=f"{size}")


@pytest.mark.parametrize("epsilon", [1e-5, 0.02])
def test_ram(mergekit, epsilon):  # noqa: F811
    base, *ckpts = states(3)
    theirs = mergekit([base, *ckpts], "ram", True, {"epsilon": epsilon})
    ours = taujp.merge_many(ckpts, [1.0] * 3, base, method="ram", epsilon=epsilon)
    assert_near(ours, theirs)
    for r, alpha in ((0.1, 0.2), (0.5, 3.0)):
        parameters = {"r": r, "alpha": alpha, "epsilon": epsilon}
        theirs = mergekit([base, *ckpts], "ramplus_tl", True, parameters)
        options = {"ratio": r, "most": alpha, "epsilon": epsilon}
        ours = taujp.merge_many(ckpts, [1.0] * 3, base, method="ramplus_tl", **options)
        assert_near(ours, theirs, what=f"{options}")


def test_average_and_passthrough(mergekit):  # noqa: F811
    _, *ckpts = states(3)
    coefs = [0.5, 0.3, 0.4]
    theirs = mergekit(ckpts, "linear", False, {"weight": weights(0, coefs), "normalize": True})
    assert_near(taujp.merge_many(ckpts, coefs, method="average"), theirs)
    theirs = mergekit(ckpts[:1], "passthrough", False, {"scale": {"0": 0.7}})
    assert_near(taujp.merge_many(ckpts[:1], [0.7], method="passthrough"), theirs)


@pytest.mark.parametrize("method", ["della", "della_linear"])
@pytest.mark.parametrize("normalize", [True, False])
def test_della_that_drops_nothing(mergekit, method, normalize):  # noqa: F811
    base, *ckpts = states(3)
    coefs = [0.5, 0.3, 0.4]
    parameters = {"weight": weights(1, coefs), "density": 1.0, "normalize": normalize}
    theirs = mergekit([base, *ckpts], method, True, {**parameters, "lambda": 0.7})
    ours = taujp.merge_many(
        ckpts, coefs, base, method=method, density=1.0, normalize=normalize, lambda_=0.7
    )
    assert_near(ours, theirs, share=1e-4, tolerance=1e-6)


def test_della_drops_by_rank_as_mergekit_does(mergekit):  # noqa: F811
    """Coins differ: shares of what stays by tenths of the rank, and the L1 norm, agree."""
    generator = torch.Generator().manual_seed(0)
    tau = {"w": torch.randn(400, 500, generator=generator)}
    base = {"w": torch.zeros(400, 500)}
    options = {"density": 0.4, "epsilon": 0.3}
    theirs = mergekit([base, tau], "della_linear", True, {"weight": {"1": 1.0}, **options})
    ours = taujp.merge_many([tau], [1.0], base, method="della_linear", rescale="l1", **options)
    order = tau["w"].abs().argsort(dim=1)
    for side in (ours["w"], theirs["w"]):
        norm = tau["w"].abs().sum()
        torch.testing.assert_close(side.abs().sum(), norm, rtol=1e-5, atol=0)
        shares = (side != 0).gather(1, order).double().view(400, 10, 50).mean((0, 2))
        expected = 0.1 + 0.6 * (torch.arange(10) + 0.5) / 10
        assert ((shares - expected).abs() < 5 * (0.25 / 20_000) ** 0.5 + 1e-3).all(), shares
