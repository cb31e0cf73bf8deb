"""Looks over the runs of a linearised model for what would be a silent zero.

A module that keeps a parameter outside of its own list would use theta where theta0 is meant; an
operation may drop the tangent without a word (one from outside of torch, and a few of torch's own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from taujp.tangent.dual import Dual, TangentError, is_differentiable
from taujp.tangent.rules.forward_mode import CONSTANT, name_of
from taujp.tangent.rules.linear_maps import RENORMALISES

LOOKS_ONLY = ("__get__", "__set__", "is_", "has_", "_has_", "__len__", "__repr__")


class Watch(TorchFunctionMode):
    """Raises TangentError where one of `parameters` itself is used, or a tangent is dropped."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__()
        self._own = {id(parameter) for parameter in parameters}

    def __enter__(self) -> Watch:
        self._random = random_state()
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        if kind is None and random_state() != self._random:
            raise TangentError(
                "tangent: the model draws random numbers, and its gradient would be another "
                "sample's than its value; expected a function of x and theta; leave randomness out "
                "in evaluation mode"
            )

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "embedding" and (kwargs.get("max_norm") or (args[3:4] or (None,))[0]):
            raise TangentError(RENORMALISES)
        out = func(*args, **kwargs)
        if name.startswith(LOOKS_ONLY):
            return out
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if is_differentiable(leaf)]
        if any(id(leaf) in self._own for leaf in leaves):
            raise TangentError(
                f"tangent: {name} uses a trainable parameter that its module keeps outside of "
                "its parameters; expected modules to look them up by name; freeze it with "
                "linearize(trainable=...)"
            )
        if name not in CONSTANT.split():
            _refuse_dropped(func, leaves, out)
        return out


def random_state() -> bytes:
    """Where torch's generators are: of the CPU, and of the current CUDA device if it is in use."""
    state = torch.get_rng_state().numpy().tobytes()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state += torch.cuda.get_rng_state().numpy().tobytes()
    return state


def _refuse_dropped(func: Callable[..., Any], inputs: list[Tensor], out: Any) -> None:
    outputs = [leaf for leaf in tree_leaves(out) if is_differentiable(leaf)]
    if any(map(is_functorch_wrapped_tensor, (*inputs, *outputs))):
        return  # inside a torch.func transform, whose tensors cannot be looked into
    if outputs and any(map(_moves, inputs)) and not any(map(_moves, outputs)):
        raise TangentError(
            f"tangent: {name_of(func)} drops the tangent of its inputs; expected an operation with "
            "a forward rule; give it one (an autograd.Function with jvp) or write it in torch "
            "functions"
        )


def _moves(tensor: Tensor) -> bool:
    return type(tensor) is Dual or forward_ad.unpack_dual(tensor).tangent is not None
