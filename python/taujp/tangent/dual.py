"""A tensor that carries its tangents along: what the back end `dual` sends through a model.

The primal is an ordinary tensor, and autograd records what is done to it. The tangents are
computed beside it, operation by operation, without a graph: for an output y = f(x; theta) of a
linearised model the gradient of dy with respect to theta is the vector-Jacobian product at theta0,
which the primal's graph already gives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Tangents = tuple[Tensor | None, ...]


class TangentError(RuntimeError):
    """An operation whose tangent is not known: the tangent would have been a silent zero."""


class Dual(Tensor):
    """`primal` with one tangent a direction (None is zero). Every operation goes to its rule."""

    primal: Tensor
    tangents: Tangents

    @staticmethod
    def __new__(cls, primal: Tensor, tangents: Tangents) -> Dual:
        dual: Dual = Tensor._make_wrapper_subclass(
            cls, primal.shape, strides=primal.stride(), dtype=primal.dtype, device=primal.device
        )
        dual.primal, dual.tangents = primal, tangents
        return dual

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Dual({self.primal!r}, {len(self.tangents)} tangents)"

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        from taujp.tangent.rules import apply_rule

        return apply_rule(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise TangentError(
            f"tangent: {func} was reached below its rule; expected a torch function; use "
            "linearize(model, backend='generic')"
        )


def is_differentiable(value: Any) -> bool:
    """A tensor that can have a tangent: of floating or complex numbers."""
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def primal_of(value: Any) -> Any:
    """A Dual's primal; anything else as it is."""
    return value.primal if type(value) is Dual else value


class Directions:
    """The tangents of one operation's inputs, looked up by the primal: `d(x)` or None.

    `count` directions; `select(t)` makes d(...) answer for the t-th.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._of: dict[int, Dual] = {}
        self._now = 0

    def unwrap(self, value: Any) -> Any:
        """The value without its tangents, which are kept here."""
        if type(value) is Dual:
            self._of[id(value.primal)] = value
            return value.primal
        if type(value) in (list, tuple):
            return type(value)(map(self.unwrap, value))
        if type(value) is dict:
            return {key: self.unwrap(item) for key, item in value.items()}
        return value

    def select(self, direction: int) -> None:
        """Answers for this direction from now on."""
        self._now = direction

    def __call__(self, primal: Any) -> Tensor | None:
        found = self._of.get(id(primal))
        return None if found is None else found.tangents[self._now]

    def each(self) -> list[Tensor]:
        """The primals that have a tangent in some direction."""
        return [dual.primal for dual in self._of.values()]

    def same(self, out: Any) -> Dual | None:
        """The input that an operation returned as it was: x.contiguous() may be x."""
        return self._of.get(id(out))


def count_of(args: Any, kwargs: Any) -> int:
    """How many directions the first Dual among the arguments carries; 0 where there is none."""
    for value in (*args, *kwargs.values()):
        if type(value) is Dual:
            return len(value.tangents)
        if type(value) in (list, tuple) and (inner := count_of(value, {})):
            return inner
    return 0


def with_tangents(out: Any, tangents: list[Any]) -> Any:
    """Attaches one tangent a direction to an output: a tensor, or a tuple or list of them."""
    if isinstance(out, Tensor):
        moves = is_differentiable(out) and any(one is not None for one in tangents)
        return Dual(out, tuple(tangents)) if moves else out
    if isinstance(out, (tuple, list)):
        columns = [[None if one is None else one[i] for one in tangents] for i in range(len(out))]
        items = [with_tangents(item, column) for item, column in zip(out, columns, strict=True)]
        return type(out)(*items) if hasattr(out, "_fields") else type(out)(items)
    return out


_expects_graph = False


@contextlib.contextmanager
def expecting_graph(expected: bool) -> Iterator[None]:
    """Inside, an operation on a Dual where autograd does not record raises, if `expected`.

    A torch.autograd.Function runs its forward without recording: its gradient would be lost.
    """
    global _expects_graph
    before, _expects_graph = _expects_graph, expected
    try:
        yield
    finally:
        _expects_graph = before


def check_graph(func: Callable[..., Any]) -> None:
    """Raises where the gradient of what follows would be lost."""
    if _expects_graph and not torch.is_grad_enabled():
        raise TangentError(
            f"tangent: {getattr(func, '__name__', func)} runs where autograd does not record (in "
            "an autograd.Function or under no_grad); its gradient would be lost; use "
            "linearize(model, backend='generic')"
        )
