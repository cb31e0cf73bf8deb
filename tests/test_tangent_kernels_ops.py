"""The tangents' operations as torch sees them: schema, fake kernel, what they and Python refuse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tangent_inputs import EXACT
from taujp.tangent import kernels

ops = torch.ops.taujp


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_nothing_to_do(shape):
    x = torch.zeros(shape)
    assert kernels.gelu_tangent(x, x).shape == shape
    assert (kernels.row_norm(x) == 0).all()
    mean = torch.zeros(shape[0] if shape[1] else 0)
    assert kernels.layer_norm_tangent(x, x, mean, mean).shape == shape
    q = torch.zeros(2, 2, *shape)
    assert kernels.attention_tangent(q, q, q, q, q, q, scale=1.0).shape == q.shape


def arguments() -> dict[str, tuple]:
    """Every operation with arguments that it takes."""
    x, dx, row = torch.randn(4, 6), torch.randn(4, 6), torch.rand(4)
    heads = [torch.randn(2, 3, 5, 4) for _ in range(6)]
    return {
        "layer_norm_tangent": (x, dx, row, row, *torch.randn(3, 6)),
        "gelu_tangent": (x, dx, "quick"),
        "row_norm": (x,),
        "row_norm_grad": (x, row, row),
        "deltas": ([x, row], [dx, row], torch.bfloat16),
        "attention_tangent": (*heads, torch.randn(2, 1, 5, 5), 0.5, True),
    }


@pytest.mark.parametrize("name", arguments())
def test_opcheck(name):
    torch.library.opcheck(getattr(ops, name), arguments()[name])


@pytest.mark.parametrize("name", arguments())
def test_fake_kernels_know_shapes_strides_and_dtypes(name):
    from torch._subclasses.fake_tensor import FakeTensorMode

    real = getattr(ops, name)(*arguments()[name])
    with FakeTensorMode() as mode:
        fake_arguments = torch.utils._pytree.tree_map_only(
            Tensor, mode.from_tensor, arguments()[name]
        )
        fake = getattr(ops, name)(*fake_arguments)
    for one, other in zip(*(x if isinstance(x, list) else [x] for x in (real, fake)), strict=True):
        assert (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())


REFUSED = [
    ("layer_norm_tangent", 0, lambda t: t.T.contiguous().T, "x is float32.*not contiguous"),
    ("layer_norm_tangent", 0, lambda t: t.int(), "x has a dtype that is not float32"),
    ("layer_norm_tangent", 1, lambda t: t[:2], r"dx is float32 of shape \(2, 6\)"),
    ("layer_norm_tangent", 1, lambda t: t.half(), r"dx is float16.*expected 24.*of float32"),
    ("layer_norm_tangent", 2, lambda t: t[:3], r"mean is .*\(3,\).*expected 4 contiguous"),
    ("layer_norm_tangent", 3, lambda t: t.double(), "rstd is float64"),
    ("layer_norm_tangent", 4, lambda t: t[:5], r"weight is .*\(5,\).*expected 6 contiguous"),
    ("layer_norm_tangent", 5, lambda t: t.bfloat16(), "dweight is bfloat16"),
    ("layer_norm_tangent", 6, lambda t: t[::2], "dbias is .*not contiguous"),
    ("gelu_tangent", 1, lambda t: t.T.contiguous(), r"dx .*\(6, 4\).*expected the shape of x"),
    ("gelu_tangent", 2, lambda _: "fast", "'fast'; expected one of: none, tanh, quick"),
    ("row_norm", 0, lambda t: t[0], r"x has shape \(6,\); expected \(rows, width\)"),
    ("row_norm_grad", 1, lambda t: t[:2], r"norm is .*expected 4 contiguous"),
    ("row_norm_grad", 2, lambda t: t.double(), "grad is float64"),
    ("deltas", 0, lambda t: t[:1], "1 tensors theta and 2 theta0"),
    ("deltas", 1, lambda t: [t[0].half(), t[1]], "theta0 is float16"),
    ("deltas", 2, lambda _: torch.float64, "asked for in float64, theta is float32"),
    ("attention_tangent", 0, lambda t: t[0], r"q, k or v is .*\(3, 5, 4\).*expected \(batch"),
    (
        "attention_tangent",
        1,
        lambda t: t[..., :3],
        r"k is .*5, 3\).*expected float32 \(2, 3, 5, 4\)",
    ),
    ("attention_tangent", 2, lambda t: t[:, :, :4], r"v is .*expected float32 \(2, 3, 5, 4\)"),
    ("attention_tangent", 3, lambda t: t.mT.contiguous().mT, "dq is .*the last dimension cont"),
    ("attention_tangent", 4, lambda t: t.double(), "dk is float64"),
    ("attention_tangent", 5, lambda t: t[:1], "dv is "),
    ("attention_tangent", 6, lambda t: t[..., :1], "mask is .*the first three may be 1"),
]


@pytest.mark.parametrize(("name", "position", "change", "message"), REFUSED)
def test_refuses_what_would_read_out_of_bounds(name, position, change, message):
    given = list(arguments()[name])
    given[position] = change(given[position])
    with pytest.raises((RuntimeError, ValueError), match=f"{name}: .*{message}"):
        getattr(ops, name)(*given)


@pytest.mark.gpu
def test_refuses_two_devices(gpu):
    with pytest.raises(RuntimeError, match=r"dx is .*on the CPU.*on the device of x"):
        ops.gelu_tangent(torch.randn(3, device=gpu), torch.randn(3), "none")


# Each kernel as a function of its first tensor.
FIRST = {
    name: lambda x, name=name, rest=given[1:]: getattr(kernels, name)(x, *rest)
    for name, given in arguments().items()
    if name != "deltas"
} | {"deltas": lambda x: kernels.deltas([x], [torch.zeros_like(x)])[0]}


@pytest.mark.parametrize("name", FIRST)
def test_never_a_silent_zero_derivative(name):
    x = arguments()[name][0] if name != "deltas" else torch.randn(3)
    function, refused = FIRST[name], pytest.raises(RuntimeError, match=f"{name} computes values")
    with refused:
        function(x.clone().requires_grad_())
    with refused:
        torch.func.jvp(function, (x,), (x,))
    with refused:
        torch.func.vmap(function)(x[None])
    with refused, torch.autograd.forward_ad.dual_level():
        function(torch.autograd.forward_ad.make_dual(x, x))
    with torch.no_grad():  # values are wanted, and torch can say so
        function(x.clone().requires_grad_())


def test_available():
    assert all(kernels.available(torch.zeros(1, dtype=dtype)) for dtype in EXACT.values())
    assert not kernels.available(torch.zeros(1, dtype=torch.int64))
    assert not kernels.available(torch.zeros(1, device="meta"))
