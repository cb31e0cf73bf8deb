"""mergekit's methods and parameters by name: the same merge as by ours."""

from __future__ import annotations

import pytest
import torch

import taujp
from mergekit_runs import WEIGHTS, models, read, run, same
from small_llamas import family
from taujp import MergeError

BY_NAME = {
    # mergekit's parameters, then ours
    "task_arithmetic": ({"lambda": 0.7}, {"lambda_": 0.7}),
    "ties": ({"density": 0.4, "rescale": True}, {"density": 0.4, "rescale": "l1"}),
    "dare_linear": ({"density": 0.4}, {"density": 0.4, "rescale": "l1", "seed": 7}),
    "dare_ties": (
        {"density": 0.4, "rescale": False, "normalize": True},
        {"density": 0.4, "rescale": None, "seed": 7, "normalize": True},
    ),
    "breadcrumbs": ({"density": 0.4, "gamma": 0.1}, {"density": 0.4, "gamma": 0.1}),
    "breadcrumbs_ties": ({}, {"density": 1.0}),
    "della": (
        {"density": 0.4, "epsilon": 0.2},
        {"density": 0.4, "epsilon": 0.2, "rescale": "l1", "seed": 7},
    ),
    "della_linear": ({"density": 0.4}, {"density": 0.4, "rescale": "l1", "seed": 7}),
}
ALIKE = {
    "model_stock": ({"filter_wise": True}, {"by": "row"}),
    "sce": ({"select_topk": 0.3}, {"density": 0.3}),
    "ram": ({"epsilon": 0.05}, {"epsilon": 0.05}),
    "ramplus_tl": ({"r": 0.3, "alpha": 0.4}, {"ratio": 0.3, "most": 0.4}),
}


@pytest.mark.parametrize("method", BY_NAME)
def test_methods_on_task_vectors(tmp_path, method):
    base, tuned = family(tmp_path)
    theirs, ours = BY_NAME[method]
    config = {"merge_method": method, "base_model": base, "models": models(tuned, weight=WEIGHTS)}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out", seed=7)
    same(merged, taujp.merge_many(tuned, WEIGHTS, base, method=method, **ours))


@pytest.mark.parametrize("method", ALIKE)
def test_methods_without_weights(tmp_path, method):
    base, tuned = family(tmp_path)
    theirs, ours = ALIKE[method]
    config = {"merge_method": method, "base_model": base, "models": models([base, *tuned])}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out")
    same(merged, taujp.merge_many(tuned, [1.0] * 3, base, method=method, **ours))


def test_linear_normalises_and_counts_the_base_as_an_input(tmp_path):
    base, tuned = family(tmp_path)
    config = {"merge_method": "linear", "models": models(tuned, weight=WEIGHTS)}
    merged, _ = run(config, tmp_path / "out")
    same(merged, taujp.merge_many(tuned, WEIGHTS, normalize=True))
    with pytest.raises(MergeError, match="weight is missing"):
        run({**config, "base_model": base}, tmp_path / "with-base")
    merged, _ = run({**config, "base_model": tuned[0]}, tmp_path / "named")
    same(merged, taujp.merge_many(tuned, WEIGHTS, normalize=True))


@pytest.mark.parametrize(
    ("method", "theirs", "coefs", "ours"),
    [
        ("slerp", {"t": 0.3}, [0.7, 0.3], {}),
        ("nearswap", {"t": 0.01}, [0.01], {}),
        ("arcee_fusion", {}, [1.0], {}),
    ],
)
def test_methods_of_a_base_and_one_model(tmp_path, method, theirs, coefs, ours):
    base, (tuned,) = family(tmp_path, 1)
    config = {"merge_method": method, "base_model": base, "models": [{"model": tuned}]}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out")
    ckpts, theta0 = ([base, tuned], None) if method == "slerp" else ([tuned], base)
    same(merged, taujp.merge_many(ckpts, coefs, theta0, method=method, **ours))


@pytest.mark.parametrize(
    ("method", "theirs", "ours"),
    [
        ("nuslerp", {"nuslerp_flatten": False}, {"along": "rows"}),
        ("nuslerp", {"nuslerp_flatten": False, "nuslerp_row_wise": True}, {"along": "columns"}),
        ("multislerp", {"normalize_weights": False}, {"normalize": False}),
    ],
)
@pytest.mark.parametrize("based", [True, False])
def test_methods_with_or_without_a_base(tmp_path, method, theirs, ours, based):
    base, tuned = family(tmp_path, 2)
    config = {"merge_method": method, "models": models(tuned, weight=[0.2, 0.6])}
    config |= {"base_model": base} if based else {}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out")
    theta0 = base if based else None
    same(merged, taujp.merge_many(tuned, [0.2, 0.6], theta0, method=method, **ours))


def test_karcher_and_a_sum_of_weights_of_zero(tmp_path):
    _, tuned = family(tmp_path, 2)
    config = {"merge_method": "karcher", "models": models(tuned)}
    merged, _ = run({**config, "parameters": {"max_iter": 3, "tol": "1e-4"}}, tmp_path / "out")
    same(merged, taujp.merge_many(tuned, [1, 1], method="karcher", steps=3, tolerance=1e-4))
    config = {"merge_method": "nuslerp", "models": models(tuned, weight=[0.5, -0.5])}
    merged, _ = run(config, tmp_path / "half")
    same(merged, taujp.merge_many(tuned, [0.5, 0.5], method="nuslerp"))


def test_only_the_base_is_the_base(tmp_path):
    base, _ = family(tmp_path, 1)
    config = {"merge_method": "ties", "base_model": base, "models": [{"model": base}]}
    merged, _ = run({**config, "dtype": "bfloat16"}, tmp_path / "out")
    same(merged, {name: tensor.bfloat16() for name, tensor in read(base).items()})


@pytest.mark.parametrize("method", ["ties", "breadcrumbs", "breadcrumbs_ties"])
def test_rescale_keeps_the_norm_of_what_was_trimmed(method):
    """Of one vector on a base of zeros, in plain torch."""
    tau = torch.randn(50, generator=torch.Generator().manual_seed(0))
    order = tau.abs().argsort(descending=True)
    first = 5 if method != "ties" else 0
    kept = torch.zeros(50)
    kept[order[first : first + 20]] = 1
    options = {"density": 0.4} | ({"gamma": 0.1} if first else {})
    merged = taujp.merge_many(
        [{"x": tau}], [1.0], {"x": torch.zeros(50)}, method=method, rescale="l1", **options
    )
    expected = tau * kept * (tau.abs().sum() / (tau * kept).abs().sum())
    torch.testing.assert_close(merged["x"], expected)


def test_rescale_is_by_parameter_and_has_a_name():
    states = [{"x": torch.ones(3)}], [1.0], {"x": torch.zeros(3)}
    with pytest.raises(MergeError, match="use it with trim='tensor'"):
        taujp.merge_many(*states, method="ties", rescale="l1", trim="model")
    with pytest.raises(MergeError, match="rescale is 'l2'; expected one of None, 'l1'"):
        taujp.merge_many(*states, method="breadcrumbs", rescale="l2")
