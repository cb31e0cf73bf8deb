"""One pass of a module at theta0: the primal alone, or the primal with its tangents."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from taujp.tangent.dual import Dual, TangentError, expecting_graph, is_differentiable
from taujp.tangent.math_attention import no_fast_path
from taujp.tangent.swap import swapped

Call = Callable[[nn.Module], Any]
Forwards = Mapping[nn.Module, Callable[..., Any]]


def primal_pass(
    module: nn.Module, points: Mapping[str, Tensor], call: Call, forwards: Forwards
) -> Any:
    """call(module) with `points` in the place of its parameters."""
    with no_fast_path(), swapped(module, points, forwards):
        return call(module)


def dual_pass(
    module: nn.Module,
    points: Mapping[str, Tensor],
    taus: Sequence[Mapping[str, Tensor]],
    call: Call,
    forwards: Forwards,
) -> tuple[Any, list[Any]]:
    """(f0, [J tau for each of taus]): one primal, recorded by autograd where it records.

    A name that a tau lacks is zero there. Raises TangentError at an operation without a rule.
    """
    values = {}
    for name, point in points.items():
        tangents = tuple(tau.get(name) for tau in taus)
        moves = any(tangent is not None for tangent in tangents)
        values[name] = Dual(point, tangents) if moves else point
    with (
        expecting_graph(torch.is_grad_enabled()),
        no_fast_path(),
        swapped(module, values, forwards),
        tangent_errors(),
    ):
        out = call(module)
    f0 = tree_map(lambda leaf: leaf.primal if type(leaf) is Dual else leaf, out)
    return f0, [tree_map(_tangent_of(t), out) for t in range(len(taus))]


@contextlib.contextmanager
def tangent_errors() -> Iterator[None]:
    """A TangentError that an interpreter below (TorchScript's) wrapped comes out as one."""
    try:
        yield
    except TangentError:
        raise
    except RuntimeError as error:
        if "TangentError" in str(error):
            raise TangentError(f"tangent: inside a compiled part: {error}") from error
        raise


def _tangent_of(direction: int) -> Callable[[Any], Any]:
    """Reads one tangent of an output; zeros for a tensor that does not move."""

    def read(leaf: Any) -> Any:
        if not is_differentiable(leaf):
            return leaf
        tangent = leaf.tangents[direction] if type(leaf) is Dual else None
        plain = leaf.primal if type(leaf) is Dual else leaf
        return torch.zeros_like(plain) if tangent is None else tangent

    return read
