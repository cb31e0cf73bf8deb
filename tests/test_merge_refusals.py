"""What whole-tensor methods refuse: options, coefficients and numbers that mean nothing."""

from __future__ import annotations

import pytest

import taujp
from merge_cases import BASELESS, CASES, TENSOR_METHODS, WAYS, case_states
from states import random_states
from taujp import MergeError


@pytest.mark.parametrize("name", TENSOR_METHODS)
def test_what_means_nothing_is_refused(name):
    method, (base, ckpts), row = taujp.methods()[name], case_states(name), CASES[name].rows[0]
    theta0 = None if method.base == "none" else base
    with pytest.raises(MergeError, match="unknown option 'nonsense'"):
        taujp.merge_many(ckpts, row, theta0, method=name, nonsense=1)
    if name not in ("della", "della_linear"):  # chains of tensor operations
        with pytest.raises(MergeError, match="no rounding='stepwise'"):
            taujp.merge_many(ckpts, row, theta0, method=name, rounding="stepwise")
    if not method.weighted:
        with pytest.raises(MergeError, match="finds its own weights"):
            taujp.merge_many(ckpts, [0.5] * len(ckpts), theta0, method=name)
    if method.base != "optional":
        with pytest.raises(MergeError, match="base"):
            taujp.merge_many(ckpts, row, base if theta0 is None else None, method=name)
    if method.most is not None:
        with pytest.raises(MergeError, match="it takes"):
            taujp.merge_many([*ckpts, *ckpts], row * 2, theta0, method=name)


@pytest.mark.parametrize("name", BASELESS)
def test_lambda_needs_a_task_vector(name):
    _, ckpts = case_states(name)
    with pytest.raises(MergeError, match="no task vector for lambda_"):
        taujp.merge_many(ckpts, CASES[name].rows[0], method=name, lambda_=0.5)


@pytest.mark.parametrize(("name", "based"), WAYS)
def test_nan_and_inf_are_named(name, based):
    base, ckpts = case_states(name)
    ckpts[1 % len(ckpts)]["block.weight"][3, 5] = float("nan")
    ckpts[0]["embed"][0, 2, 1] = float("inf")
    with pytest.raises(taujp.CheckpointError, match=r"(?s)NaN or Inf.*(block\.weight|embed)"):
        taujp.merge_many(ckpts, CASES[name].rows[0], base if based else None, method=name)


def test_lines_needs_blocks_to_have_a_depth():
    base, (theta,) = random_states(1)
    with pytest.raises(MergeError, match="numbered block"):
        taujp.merge_many([theta], [1.0], base, method="lines")


@pytest.mark.parametrize("number", [1e39, -1e300, float("inf"), float("nan")])
def test_coefficients_beyond_fp32(number):
    base, (theta,) = random_states(1)
    with pytest.raises(MergeError, match=r"expected a finite number, of at most 3\.4e\+38"):
        taujp.merge_many([theta], [number], base)
    with pytest.raises(MergeError, match=r"lambda_ is .*; expected finite numbers, of at most"):
        taujp.merge_many([theta], [1.0], base, lambda_=number)


def test_steps_are_whole():
    _, ckpts = random_states(2)
    with pytest.raises(MergeError, match=r"steps is 1\.5; expected a whole number"):
        taujp.merge_many(ckpts, [1.0, 1.0], method="karcher", steps=1.5)


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties", "della", "della_linear", "knots"])
@pytest.mark.parametrize("seed", [0.7, "3", [0, 1], True, float("nan"), float("inf"), None])
def test_seeds_are_whole(method, seed):
    base, ckpts = random_states(2)
    with pytest.raises(MergeError, match=r"seed is .*; expected a whole number"):
        taujp.merge_many(ckpts, [1.0, 1.0], base, method=method, seed=seed)


def test_large_seeds_differ():
    base, ckpts = random_states(2)
    one, two = (
        taujp.merge_many(ckpts, [1.0, 1.0], base, method="dare_linear", seed=seed)
        for seed in (1 << 60, (1 << 60) + 1)
    )
    assert any(not one[name].equal(two[name]) for name in base)


@pytest.mark.parametrize("threads", [0, -3, 1.5, True, "2", 4097])
def test_threads_are_a_sensible_number(tmp_path, threads):
    base, ckpts = random_states(2)
    out = tmp_path / "out.safetensors"
    with pytest.raises(MergeError, match=r"threads is .*; expected a whole number, from 1 to"):
        taujp.merge_many(ckpts, [1.0, 1.0], base, out=out, threads=threads)


def test_coefficients_that_choose_nothing():
    _, ckpts = random_states(2)
    with pytest.raises(MergeError, match="whose sum is zero"):
        taujp.merge_many(ckpts, [0.5, -0.5], method="slerp")
