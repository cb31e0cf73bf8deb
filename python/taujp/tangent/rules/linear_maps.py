"""Functions that are linear in one tensor and fixed otherwise: dy = f(dx).

And those linear in a list of tensors: concatenation and stacking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from taujp.tangent.dual import Directions, TangentError
from taujp.tangent.rules import RULES, Rule, forward_mode, rule

LINEAR = """
reshape view view_as reshape_as permute transpose swapaxes swapdims movedim moveaxis flatten
unflatten ravel squeeze unsqueeze expand expand_as broadcast_to contiguous clone to type type_as
float half bfloat16 double cpu cuda chunk split tensor_split hsplit vsplit dsplit unbind narrow
select index_select gather take_along_dim __getitem__ mean sum nansum roll flip fliplr flipud
rot90 tile repeat repeat_interleave cumsum diff diagonal diag tril triu t neg negative __neg__
positive __pos__ unfold
"""
RENORMALISES = (
    "tangent: an embedding with max_norm writes into its weight at every call; expected parameters "
    "that a forward pass leaves as they are; set max_norm=None"
)
GETTERS = (Tensor.T.__get__, Tensor.mT.__get__, Tensor.H.__get__, Tensor.mH.__get__)  # type: ignore[attr-defined]
POOLS = (
    functional.avg_pool1d,
    functional.avg_pool2d,
    functional.adaptive_avg_pool1d,
    functional.adaptive_avg_pool2d,
    functional.pixel_shuffle,
    functional.unfold,
    functional.fold,
)


def linear_in_first(func: Callable[..., Any]) -> Rule:
    """The rule of a function that is linear in its first argument."""

    def body(x: Any, *args: Any, **kwargs: Any) -> Any:
        out = func(x, *args, **kwargs)

        def tangent(d: Directions) -> Any:
            if len(d.each()) > 1 or not isinstance(x, Tensor):
                return forward_mode.tangent(func, (x, *args), kwargs, out, d)
            dx = d(x)
            return None if dx is None else func(dx, *args, **kwargs)

        return out, tangent

    return body


for _name in LINEAR.split():
    for _home in (Tensor, torch):
        if callable(_function := getattr(_home, _name, None)):
            RULES[_function] = linear_in_first(_function)
for _function in (*GETTERS, *POOLS):
    RULES[_function] = linear_in_first(_function)


def linear_in_list(func: Callable[..., Any]) -> Rule:
    """The rule of a function that is linear in the list of tensors it takes."""

    def body(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        def tangent(d: Directions) -> Tensor | None:
            taus = [d(tensor) for tensor in tensors]
            if all(dx is None for dx in taus):
                return None
            pairs = zip(tensors, taus, strict=True)
            filled = [torch.zeros_like(x) if dx is None else dx for x, dx in pairs]
            return func(filled, *args, **kwargs)

        return func(tensors, *args, **kwargs), tangent

    return body


for _function in (
    torch.cat,
    torch.concat,
    torch.concatenate,
    torch.stack,
    torch.hstack,
    torch.vstack,
):
    RULES[_function] = linear_in_list(_function)


@rule(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d)
def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """The identity: linearised models are evaluated without dropout."""
    if training and p > 0:
        raise TangentError(
            f"tangent: dropout with p = {p} in training mode is random; expected evaluation mode; "
            "linearize() puts modules into it: pass training=self.training to the function"
        )
    return x, lambda d: d(x)


@rule(functional.embedding)
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    *_: Any,
    **__: Any,
) -> Any:
    """y = weight[i]: dy = dweight[i]."""
    if max_norm is not None:
        raise TangentError(RENORMALISES)

    def tangent(d: Directions) -> Tensor | None:
        dweight = d(weight)
        return None if dweight is None else functional.embedding(input, dweight, padding_idx)

    return functional.embedding(input, weight, padding_idx), tangent
