"""A batch in pieces: tangents without a graph, the gradient by one more primal pass.

Exact: rows of a batch do not know of each other in evaluation mode. Memory is one piece's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from taujp.tangent.dual import is_differentiable

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


def rows_of(inputs: Inputs) -> int:
    """The size of the batch: the first dimension of the first tensor of the inputs."""
    for leaf in tree_flatten(inputs)[0]:
        if isinstance(leaf, Tensor) and leaf.dim() > 0:
            return leaf.shape[0]
    raise ValueError("linearize: chunk needs an input with rows; the call has no tensor")


def cut(inputs: Inputs, chunk: int | None) -> list[Inputs]:
    """The inputs in pieces of `chunk` rows; tensors with another first dimension go to each."""
    if chunk is None:
        return [inputs]
    rows = rows_of(inputs)

    def piece(start: int) -> Inputs:
        def part(leaf: Any) -> Any:
            whole = not isinstance(leaf, Tensor) or leaf.dim() == 0 or leaf.shape[0] != rows
            return leaf if whole else leaf[start : start + chunk]

        return tree_map(part, inputs)

    return [piece(start) for start in range(0, rows, chunk)]


def join(parts: list[Any]) -> Any:
    """The pieces' outputs, concatenated over their rows."""
    if len(parts) == 1:
        return parts[0]
    columns, structure = zip(*(tree_flatten(part) for part in parts), strict=True)
    leaves = [
        torch.cat(column) if isinstance(column[0], Tensor) and column[0].dim() > 0 else column[0]
        for column in zip(*columns, strict=True)
    ]
    return tree_unflatten(leaves, structure[0])


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Callable[..., Any], leaves: Any, *anchors: Tensor) -> Any:
        ctx.gradient = gradient
        return tuple(leaf.view_as(leaf) for leaf in leaves)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, *ctx.gradient(grads)


def recomputed(
    df: Any, anchors: list[Tensor], gradient: Callable[[list[Tensor]], list[Tensor | None]]
) -> Any:
    """df's values; `gradient` turns the gradients of its tensors into those of the anchors."""
    leaves, structure = tree_flatten(df)
    moving = [i for i, leaf in enumerate(leaves) if is_moving(leaf)]
    outputs = _Recomputed.apply(gradient, [leaves[i] for i in moving], *anchors)
    for i, output in zip(moving, outputs, strict=True):
        leaves[i] = output
    return tree_unflatten(leaves, structure)


def is_moving(leaf: Any) -> bool:
    """A part of an output that has a tangent."""
    return is_differentiable(leaf)


class Autocast:
    """The autocast state of the moment it is made, to be entered again in a backward pass."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._enabled = torch.is_autocast_enabled(device)
        self._dtype = torch.get_autocast_dtype(device)

    def again(self) -> torch.autocast:
        """A context manager with that state."""
        return torch.autocast(self._device, dtype=self._dtype, enabled=self._enabled)
