"""The kernel of the invariance objectives: losses and slopes of rows, and their gradient."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from conftest import DTYPES
from objective_bits import SIZES, computed
from reference_objective import rows_of
from tangent_inputs import EXACT, assert_close, random
from taujp.train.objectives.risk_rows import _composed, risk_rows
from tolerance import assert_same_bits

ops = torch.ops.taujp
# Roundings in fp32 of what a row adds up, of numbers as large as its largest logit.
STEPS = 64


def inputs(rows: int, classes: int, dtype: torch.dtype, device="cpu", draws: int = 3):
    torch.manual_seed(rows * classes)
    logits = 3 * random(rows, classes, dtype=dtype, device=device)
    labels = torch.randint(0, classes, (rows,), device=device)
    scales = 1 + 0.3 * torch.randn(draws, rows, dtype=torch.float64, device=device)
    return logits, labels, scales


def pulled(function, logits: Tensor, labels: Tensor, scales: Tensor) -> tuple[Tensor, ...]:
    """loss, slope, and the gradient of a weighted sum of both."""
    logits = logits.detach().requires_grad_()
    loss, slope = function(logits, labels, scales)
    torch.manual_seed(7)
    grads = [torch.randn(loss.shape, dtype=torch.float64).to(loss) for _ in range(2)]
    (grad,) = torch.autograd.grad((loss, slope), logits, grads)
    return loss, slope, grad


@pytest.mark.parametrize(("rows", "classes"), SIZES)
@pytest.mark.parametrize("name", EXACT)
def test_equals_autograd_twice(rows, classes, name, device):
    logits, labels, scales = inputs(rows, classes, EXACT[name], device)
    found = pulled(risk_rows, logits, labels, scales)
    expected = pulled(rows_of, logits.double().cpu(), labels.cpu(), scales.cpu())
    assert [one.dtype for one in found[:2]] == 2 * [scales.to(found[0]).dtype]
    assert found[2].dtype == logits.dtype
    for result, twin in zip(found, expected, strict=True):
        scale = max(twin.abs().max().item(), 3.0)
        assert_close(result, twin, STEPS * scale / max(twin.abs().max().item(), 1e-30))


@pytest.mark.parametrize(("rows", "classes"), SIZES)
def test_equals_autograd_twice_to_1e12_in_fp64(rows, classes):
    given = inputs(rows, classes, torch.float64)
    for result, twin in zip(pulled(risk_rows, *given), pulled(rows_of, *given), strict=True):
        torch.testing.assert_close(result, twin, rtol=1e-12, atol=1e-12)


def test_one_scale_for_all_rows_is_that_scale_for_each():
    logits, labels, _ = inputs(6, 40, torch.float32)
    shared = torch.tensor([1.0, 0.7])
    each = shared[:, None].expand(2, 6)
    for one, other in zip(
        pulled(risk_rows, logits, labels, shared),
        pulled(risk_rows, logits, labels, each),
        strict=True,
    ):
        assert_same_bits(one, other, "a scale a row")


def test_draws_add_their_gradients():
    logits, labels, scales = inputs(4, 17, torch.float64, draws=5)
    whole = pulled(risk_rows, logits, labels, scales)
    torch.manual_seed(7)
    grads = [torch.randn(5, 4, dtype=torch.float64) for _ in range(2)]
    total = torch.zeros_like(logits)
    for draw in range(5):
        leaf = logits.clone().requires_grad_()
        found = risk_rows(leaf, labels, scales[draw : draw + 1])
        total += torch.autograd.grad(found, leaf, [one[draw : draw + 1] for one in grads])[0]
    torch.testing.assert_close(whole[2], total, rtol=0, atol=1e-13)


def test_the_logarithm_is_exact_to_rounding():
    """Equal logits have the loss log(classes)."""
    for classes in [*range(1, 70), 255, 256, 257, 1000, 4999]:
        loss, slope = risk_rows(torch.zeros(1, classes), torch.tensor([0]), torch.ones(1))
        expected = torch.tensor(float(classes), dtype=torch.float64).log()
        assert abs(loss.double().item() - expected) <= 2.0**-23 * max(1.0, expected), classes
        assert slope.item() == 0


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_large_logits_neither_overflow_nor_lose_the_slope(size):
    logits = torch.tensor([[size, 0.0, -size], [0.0, size, -size]], dtype=torch.float32)
    found = pulled(risk_rows, logits, torch.tensor([0, 0]), torch.ones(1))
    assert all(one.isfinite().all() for one in found)
    assert found[0].tolist() == [[0.0, pytest.approx(size)]]
    assert found[1].tolist() == [[0.0, pytest.approx(size)]]


@pytest.mark.parametrize("name", EXACT)
def test_a_class_at_minus_infinity_has_no_part(name):
    logits, labels, scales = inputs(5, 12, EXACT[name])
    padded = torch.cat([logits, torch.full((5, 3), -torch.inf, dtype=logits.dtype)], 1)
    *found, grad = pulled(risk_rows, padded, labels, scales)
    *expected, alone = pulled(risk_rows, logits, labels, scales)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(grad[:, :12], alone, rtol=1e-2, atol=1e-2)
    assert (grad[:, 12:] == 0).all()
    *_, plain = pulled(_composed, padded, labels, scales)
    assert (plain[:, 12:] == 0).all()


@pytest.mark.parametrize("where", ["nan", "label above", "label below", "all -inf", "+inf"])
def test_what_has_no_risk_is_nan_and_stays_in_its_row(where):
    logits, labels, scales = inputs(4, 20, torch.float32)
    expected = pulled(risk_rows, logits, labels, scales)
    if where == "nan":
        logits[2, 7] = torch.nan
    elif where.startswith("label"):
        labels[2] = 20 if where == "label above" else -1
    elif where == "+inf":
        logits[2, 3] = torch.inf
    else:
        logits[2] = -torch.inf
    found = pulled(risk_rows, logits, labels, scales)
    for one, other, rows in zip(found, expected, (1, 1, 0), strict=True):
        assert one.select(rows, 2).isnan().all()
        others = torch.tensor([0, 1, 3])
        assert_same_bits(one.index_select(rows, others), other.index_select(rows, others), where)


def test_without_kernels_torch_computes_the_same():
    for size in SIZES:
        given = inputs(*size, torch.float64)
        for one, other in zip(pulled(risk_rows, *given), pulled(_composed, *given), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


# Derivatives: right, or an error, never a silent zero


def test_forward_mode_equals_the_transpose():
    logits, labels, scales = inputs(6, 9, torch.float64)
    dlogits = torch.randn_like(logits)
    _, tangents = torch.func.jvp(lambda z: risk_rows(z, labels, scales), (logits,), (dlogits,))
    for which in range(2):
        jacobian = torch.autograd.functional.jacobian(
            lambda z, which=which: risk_rows(z, labels, scales)[which], logits
        )
        expected = torch.einsum("drnc,nc->dr", jacobian, dlogits)
        torch.testing.assert_close(tangents[which], expected, rtol=0, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    logits, labels, scales = inputs(3, 5, torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: risk_rows(z, labels, scales), logits.requires_grad_(), check_forward_ad=True
    )


def test_a_second_derivative_is_right():
    logits, labels, scales = inputs(3, 5, torch.float64)
    assert torch.autograd.gradgradcheck(
        lambda z: risk_rows(z, labels, scales), logits.requires_grad_()
    )


def test_other_silent_zeros_raise():
    logits, labels, scales = inputs(3, 5, torch.float64)
    with pytest.raises(RuntimeError, match="scales requires grad; expected constants"):
        risk_rows(logits, labels, scales.requires_grad_())
    with pytest.raises(RuntimeError, match="vmap"):
        torch.func.vmap(lambda z: risk_rows(z, labels, scales.detach()))(logits[None])


# As torch sees the operations


def arguments() -> dict[str, tuple]:
    logits, labels, scales = inputs(4, 6, torch.float32)
    scales = scales.float()
    pair = ops.risk_rows(logits, labels, scales)
    return {
        "risk_rows": (logits, labels, scales),
        "risk_rows_grad": (logits, labels, scales, *pair, *pair),
    }


@pytest.mark.parametrize("name", ["risk_rows", "risk_rows_grad"])
def test_opcheck(name):
    torch.library.opcheck(getattr(ops, name), arguments()[name])


@pytest.mark.parametrize("dtype", EXACT.values())
def test_fake_kernels_know_shapes_and_dtypes(dtype):
    from torch._subclasses.fake_tensor import FakeTensorMode

    logits, labels, scales = inputs(4, 6, dtype)
    given = logits, labels, scales.to(torch.float64 if dtype == torch.float64 else torch.float32)
    real = ops.risk_rows(*given)
    with FakeTensorMode() as mode:
        fake = ops.risk_rows(*(mode.from_tensor(one) for one in given))
        grad = ops.risk_rows_grad(*(mode.from_tensor(one) for one in given), *fake, *fake)
    for one, other in zip((*real, logits), (*fake, grad), strict=True):
        assert (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())


REFUSED = [
    ("risk_rows", 0, lambda t: t[0], r"logits has shape \(6,\); expected \(rows, classes\)"),
    ("risk_rows", 0, lambda t: t[:, :0], r"logits has shape \(4, 0\)"),
    ("risk_rows", 0, lambda t: t.T.contiguous().T, "logits is float32.*not contiguous"),
    ("risk_rows", 0, lambda t: t.int(), "logits has a dtype that is not float32"),
    ("risk_rows", 1, lambda t: t[:3], r"labels is .*\(3,\).*expected 4 contiguous"),
    ("risk_rows", 1, lambda t: t.int(), "labels is another dtype"),
    ("risk_rows", 2, lambda t: t.double(), "scales is float64"),
    ("risk_rows", 2, lambda t: t[:, :2], r"scales has shape \(3, 2\); expected \(draws,\) or"),
    ("risk_rows_grad", 3, lambda t: t[:2], r"loss is .*\(2, 4\).*expected 12 contiguous"),
    ("risk_rows_grad", 4, lambda t: t.double(), "slope is float64"),
    ("risk_rows_grad", 5, lambda t: t.T.contiguous().T, "grad_loss is .*not contiguous"),
    ("risk_rows_grad", 6, lambda t: t[:, :1], "grad_slope is "),
]


@pytest.mark.parametrize(("name", "position", "change", "message"), REFUSED)
def test_refuses_what_would_read_out_of_bounds(name, position, change, message):
    given = list(arguments()[name])
    given[position] = change(given[position])
    with pytest.raises(RuntimeError, match=f"{name}: .*{message}"):
        getattr(ops, name)(*given)


def test_no_rows_are_no_work():
    loss, slope = risk_rows(torch.zeros(0, 5), torch.zeros(0).long(), torch.ones(2))
    assert loss.shape == slope.shape == (2, 0)


# The same bits everywhere


def test_the_same_bits_at_every_level():
    found = {}
    for level in ("scalar", "portable", "avx2", "avx512"):
        environment = {**os.environ, "TAUJP_SIMD": level, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(Path(__file__).with_name("objective_bits.py"))]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        if ran.returncode == 0:
            found[level] = ran.stdout.split()[-1]
        else:
            assert f"TAUJP_SIMD is '{level}'" in ran.stderr, ran.stderr[-2000:]
    assert {"scalar", "portable"} <= set(found)
    assert len(set(found.values())) == 1, found


def test_threads_do_not_change_a_bit():
    before, given = torch.get_num_threads(), inputs(200, 700, torch.float32)
    try:
        torch.set_num_threads(1)
        alone = pulled(risk_rows, *given)
        torch.set_num_threads(5)
        for one, other in zip(pulled(risk_rows, *given), alone, strict=True):
            assert_same_bits(one, other, "five threads")
    finally:
        torch.set_num_threads(before)


@pytest.mark.gpu
def test_cuda_writes_the_same_bits(gpu):
    for dtype in DTYPES.values():
        for size in SIZES:
            pairs = zip(computed(*size, dtype, gpu), computed(*size, dtype), strict=True)
            for found, expected in pairs:
                assert_same_bits(found, expected, f"{dtype} {size}")
