"""Operators from outside of torch: torch gives them a zero tangent; a linearised model raises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import taujp
from two_parameters import Function, Of, assert_right


class SquareWithoutRule(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        return 2 * ctx.saved_tensors[0] * grad


class SquareWithRule(SquareWithoutRule):
    @staticmethod
    def forward(x):  # type: ignore[no-untyped-def]
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def jvp(ctx, dx):  # type: ignore[no-untyped-def]
        return 2 * ctx.saved_tensors[0] * dx


@pytest.fixture(scope="module")
def foreign() -> Iterator[dict[str, Function]]:
    """Operators that a library registers: torch gives each a zero tangent under forward mode."""
    library = torch.library.Library("taujp_tests", "FRAGMENT")
    library.define("raw(Tensor x) -> Tensor")
    library.impl("raw", lambda x: (x.detach() ** 2).clone(), "CPU")
    define = torch.library.custom_op

    def square(x: Tensor) -> Tensor:
        return x**2

    plain = define("taujp_tests::plain", square, mutates_args=(), schema="(Tensor x) -> Tensor")
    derived = define("taujp_tests::derived", square, mutates_args=(), schema="(Tensor x) -> Tensor")
    derived.register_autograd(
        lambda ctx, grad: 2 * ctx.saved_tensors[0] * grad,
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
    )
    yield {
        "raw": lambda a, b: torch.ops.taujp_tests.raw(a * b) + a,
        "custom_op": lambda a, b: plain(a * b) + a,
        "custom_op by its name": lambda a, b: torch.ops.taujp_tests.plain(a * b) + a,
        "custom_op with a gradient": lambda a, b: derived(a * b) + a,
    }
    library._destroy()


@pytest.mark.parametrize("backend", ["dual", "generic", "auto"])
@pytest.mark.parametrize(
    "name", ["raw", "custom_op", "custom_op by its name", "custom_op with a gradient"]
)
def test_foreign_operators_raise(foreign: dict[str, Function], name: str, backend: str) -> None:
    lin = taujp.linearize(Of(foreign[name]), backend=backend)
    for _ in range(2):  # the second call is not let through either
        with pytest.raises(taujp.TangentError, match="tangent: "):
            lin.dual()
    with pytest.raises(taujp.TangentError, match="tangent: "), torch.no_grad():
        lin.dual()
    with pytest.raises(taujp.TangentError, match="tangent: "):
        lin.tangents(task_vectors=[dict(lin.theta0)])


@pytest.mark.parametrize("backend", ["dual", "generic", "auto"])
def test_autograd_function_without_jvp_raises(backend: str) -> None:
    lin = taujp.linearize(Of(lambda a, b: SquareWithoutRule.apply(a * b) + a), backend=backend)
    for _ in range(2):
        with pytest.raises(taujp.TangentError, match="tangent: "):
            lin.dual()


@pytest.mark.parametrize("backend", ["generic", "auto"])
def test_autograd_function_with_jvp_is_right(backend: str) -> None:
    assert_right(lambda a, b: SquareWithRule.apply(a * b) + a, backend)


def test_parameter_kept_outside_of_its_module_raises() -> None:
    kept = []

    def function(a: Tensor, b: Tensor) -> Tensor:
        return a * kept[0]

    model = Of(function)
    lin = taujp.linearize(model)
    kept.append(lin.module.b)
    with pytest.raises(taujp.TangentError, match="outside of its parameters"):
        lin.dual()
