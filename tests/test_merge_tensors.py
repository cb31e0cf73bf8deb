"""Every whole-tensor method against its float64 twin, and what must hold of any of them."""

from __future__ import annotations

import pytest
import torch

import taujp
from merge_cases import BASED, CASES, WAYS, case_states
from reference import METHODS
from reference_merge import TWINS, Decided, merged
from states import on
from tolerance import FP32_STEP, TOLERANCE, assert_same_bits


def test_every_method_has_a_twin_and_a_case():
    # Those that need statistics of data, and those that give a model for each task, have tests of
    # their own: test_fisher.py, test_regmean.py, test_merge_masks.py.
    registered = {name for name, m in taujp.methods().items() if not (m.statistics or m.per_task)}
    assert set(TWINS) == set(CASES)
    assert registered == set(CASES) | set(METHODS) | {"average", "passthrough"}


def assert_close(result, twin: Decided, vectors, what: str, *, matrix: bool) -> None:
    """One rounding to the dtype, and fp32's on the way: of what was added, or a decomposition's."""
    table = TOLERANCE[result.dtype]
    got = result.detach().cpu().double()
    largest = max((float(v.double().abs().max()) for v in vectors if v.numel()), default=0.0)
    steps = FP32_STEP * (4 * len(vectors) + 20)
    error = (1e-5 if matrix else steps) * largest + steps * twin.value.abs() + twin.slack
    allowed = twin.value.abs() * table.value + error + table.floor
    off = ((got - twin.value).abs() > allowed) & ~twin.close
    assert twin.close.sum() <= 0.05 * got.numel() + 12, f"{what}: too much is close"
    assert not off.any(), (
        f"{what}: {int(off.sum())} of {off.numel()} off; the worst by "
        f"{float(((got - twin.value).abs() / allowed)[~twin.close].max()):.3g} times the tolerance"
    )


def check(name, base, ckpts, row, *, device="cpu", what="", **options) -> None:
    """merge_many against the twin."""
    theta0 = None if base is None else on(device, base)
    found = taujp.merge_many([on(device, c) for c in ckpts], row, theta0, method=name, **options)
    options.pop("dtype", None)
    expected = merged(ckpts, row, base, method=name, **options)
    assert list(found) == list(ckpts[0])
    for key, tensor in found.items():
        vectors = [c[key].float() - (0 if base is None else base[key].float()) for c in ckpts]
        matrix = CASES[name].matrix
        assert_close(
            tensor, expected[key], vectors, f"{name} {what} {options} {key}", matrix=matrix
        )


@pytest.mark.parametrize(("name", "based"), WAYS)
def test_twin(name, based, device, dtype):
    base, ckpts = case_states(name, dtype)
    for options in CASES[name].options:
        for row in CASES[name].rows:
            check(name, base if based else None, ckpts, row, device=device, **options)


@pytest.mark.parametrize(("name", "based"), WAYS)
def test_mixed_dtypes(name, based):
    base, _ = case_states(name, torch.bfloat16)
    dtypes = [torch.float32, torch.float16, torch.bfloat16]
    ckpts = [case_states(name, dtypes[i % 3])[1][i] for i in range(CASES[name].n)]
    row = CASES[name].rows[0]
    check(name, base if based else None, ckpts, row, dtype=torch.float32)


@pytest.mark.parametrize(("name", "based"), WAYS)
def test_many_rows_are_the_bits_of_one_by_one(name, based):
    base, ckpts = case_states(name)
    theta0 = base if based else None
    rows = CASES[name].rows * 2
    lambdas = [1.0, 0.4] * len(CASES[name].rows) if based else [1.0] * len(rows)
    together = taujp.merge_many(ckpts, rows, theta0, method=name, lambda_=lambdas)
    for row, factor, found in zip(rows, lambdas, together, strict=True):
        alone = taujp.merge_many(ckpts, row, theta0, method=name, lambda_=factor)
        for key, tensor in found.items():
            assert_same_bits(tensor, alone[key], f"{name} {row} {factor} {key}")


@pytest.mark.parametrize("name", BASED)
def test_lambda_scales_the_task_vector(name):
    base, ckpts = case_states(name)
    row = CASES[name].rows[0]
    one, half, none = taujp.merge_many(ckpts, row, base, method=name, lambda_=[1.0, 0.5, 0.0])
    for key, theta0 in base.items():
        assert torch.equal(none[key], theta0)
        expected = theta0.double() + 0.5 * (one[key].double() - theta0.double())
        torch.testing.assert_close(half[key].double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "based"), WAYS)
def test_groups_of_parameters(name, based):
    base, ckpts = case_states(name)
    theta0 = base if based else None
    first, last = CASES[name].rows[0], CASES[name].rows[-1]
    found = taujp.merge_many(ckpts, {"block.*": first, "*": last}, theta0, method=name)
    for row, mine in ((first, True), (last, False)):
        alone = taujp.merge_many(ckpts, row, theta0, method=name)
        for key in (key for key in found if key.startswith("block.") == mine):
            assert_same_bits(found[key], alone[key], f"{name} {key}")


@pytest.mark.parametrize("name", BASED)
def test_task_vectors_instead_of_models(name):
    base, ckpts = case_states(name)
    taus = [{key: c[key] - base[key] for key in base} for c in ckpts]
    row = CASES[name].rows[0]
    models = taujp.merge_many(ckpts, row, base, method=name)
    vectors = taujp.merge_many(taus, row, base, method=name, deltas=True)
    for key in base:
        assert_same_bits(vectors[key], models[key], f"{name} {key}")


@pytest.mark.parametrize(("name", "based"), [w for w in WAYS if CASES[w[0]].symmetric])
def test_the_order_of_checkpoints_does_not_matter(name, based):
    base, ckpts = case_states(name)
    theta0 = base if based else None
    row = CASES[name].rows[0]
    there = merged(ckpts, row, theta0, method=name)
    back = taujp.merge_many(ckpts[::-1], row[::-1], theta0, method=name)
    for key, tensor in back.items():
        vectors = [c[key] - (base[key] if based else 0) for c in ckpts]
        assert_close(tensor, there[key], vectors, f"{name} {key}", matrix=CASES[name].matrix)


@pytest.mark.parametrize(("name", "based"), [w for w in WAYS if CASES[w[0]].equals])
def test_equal_checkpoints_are_as_one(name, based):
    base, (theta, *_) = case_states(name)
    count = CASES[name].n
    row = [1.0] * count
    found = taujp.merge_many([theta] * count, row, base if based else None, method=name)
    for key, tensor in found.items():
        # ram drops what is below its epsilon, 1e-5
        torch.testing.assert_close(tensor, theta[key], rtol=1e-5, atol=1.1e-5)


@pytest.mark.parametrize("name", BASED)
def test_task_vectors_of_zero_leave_the_base(name):
    base, ckpts = case_states(name, torch.bfloat16)
    row = CASES[name].rows[0]
    found = taujp.merge_many([base] * len(ckpts), row, base, method=name)
    for key, tensor in found.items():
        assert torch.equal(tensor, base[key]), f"{name} {key}"


@pytest.mark.parametrize(("name", "based"), WAYS)
def test_threads_do_not_matter(name, based):
    base, ckpts = case_states(name)
    row, before, found = CASES[name].rows[0], torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(taujp.merge_many(ckpts, row, base if based else None, method=name))
    finally:
        torch.set_num_threads(before)
    for key, tensor in found[0].items():
        largest = float(tensor.abs().max()) if tensor.numel() else 0.0
        torch.testing.assert_close(found[1][key], tensor, rtol=0, atol=1e-6 * largest)
