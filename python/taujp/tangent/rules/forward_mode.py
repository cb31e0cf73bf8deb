"""The tangent of one operation by torch's own forward mode, for functions without a rule here.

Costs the operation once more. An operation that torch has no forward rule for raises; one that
drops the tangent is let through only if its derivative is zero (`CONSTANT`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._pytree import tree_flatten, tree_map

from taujp.tangent.dual import Directions, TangentError
from taujp.tangent.math_attention import math_attention

# Names of functions whose output does not depend on the values, or only in steps.
CONSTANT = """
detach detach_ data zeros_like ones_like empty_like full_like rand_like randn_like randint_like
new_zeros new_ones new_empty new_full new_tensor round floor ceil trunc sign sgn heaviside
bernoulli one_hot __get__ finfo floor_divide __floordiv__ rfloordiv
"""


# Drawn anew at every call, so the tangent would be another sample's.
RANDOM = """
rrelu gumbel_softmax alpha_dropout feature_alpha_dropout fractional_max_pool2d
fractional_max_pool3d normal normal_ multinomial
"""


def tangent(func: Callable[..., Any], args: Any, kwargs: Any, out: Any, d: Directions) -> Any:
    """d out in the selected direction; None where every input's tangent is None."""
    if all(d(primal) is None for primal in d.each()):
        return None
    if getattr(func, "__name__", "") in RANDOM.split():
        raise TangentError(
            f"tangent: {name_of(func)} is random; expected a function of x and theta; leave "
            "it out in evaluation mode"
        )

    def dual(value: Any) -> Any:
        dvalue = d(value)
        if dvalue is None:
            return value
        return forward_ad.make_dual(value.detach(), dvalue.to(value.dtype))

    try:
        with forward_ad.dual_level(), math_attention():
            again = func(*tree_map(dual, args), **tree_map(dual, kwargs))
            found = tree_map(_unpack, again)
    except NotImplementedError as error:
        raise TangentError(f"tangent: {name_of(func)} has no forward rule: {error}") from error
    _refuse_silent_zero(func, found)
    return found


def _unpack(value: Any) -> Any:
    return forward_ad.unpack_dual(value).tangent if isinstance(value, Tensor) else None


def _refuse_silent_zero(func: Callable[..., Any], found: Any) -> None:
    lost = all(one is None for one in tree_flatten(found)[0])
    if lost and getattr(func, "__name__", "") not in CONSTANT.split():
        raise TangentError(
            f"tangent: {name_of(func)} drops the tangent of its inputs; expected an operation with "
            "a forward rule; give it one (an autograd.Function with jvp) or write it in torch "
            "functions"
        )


def name_of(func: Callable[..., Any]) -> str:
    """What to call a torch function in a message."""
    try:
        return torch.overrides.resolve_name(func) or getattr(func, "__name__", repr(func))
    except TypeError:  # not one of torch's
        return getattr(func, "__name__", repr(func))
