"""Looks over the runs of a linearised model for what would be a silent zero.

A module that keeps a parameter outside of its own list would use theta where theta0 is meant; an
operation may drop the tangent without a word (one from outside of torch, and a few of torch's own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
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


def _refuse_dropped(func: Callable[..., Any], inputs: list[Tensor], out: Any) -> None:
    outputs = [leaf for leaf in tree_leaves(out) if is_differentiable(leaf)]
    if outputs and any(map(_moves, inputs)) and not any(map(_moves, outputs)):
        raise TangentError(
            f"tangent: {name_of(func)} drops the tangent of its inputs; expected an operation with "
            "a forward rule; give it one (an autograd.Function with jvp) or write it in torch "
            "functions"
        )


def _moves(tensor: Tensor) -> bool:
    return type(tensor) is Dual or forward_ad.unpack_dual(tensor).tangent is not None
