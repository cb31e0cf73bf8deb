"""The back end for any module: torch's forward mode for the tangent, its reverse mode at theta0.

The tangent costs a primal and a tangent pass without a graph; the gradient one primal pass more
and its vector-Jacobian product. Attention is computed by plain products, which have forward rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._pytree import tree_map

from taujp.tangent.dual import TangentError, is_differentiable
from taujp.tangent.math_attention import math_attention
from taujp.tangent.swap import swapped

Call = Callable[[nn.Module], Any]


def dual_pass(
    module: nn.Module, theta0: Mapping[str, Tensor], tau: Mapping[str, Tensor], call: Call
) -> tuple[Any, Any]:
    """(f0, J tau) as call(module) structures them; no graph is recorded."""
    with torch.no_grad(), math_attention(), forward_ad.dual_level():
        # A tangent has its primal's dtype; theta0's own is the model's.
        values = {
            name: forward_ad.make_dual(base, tau[name].to(base.dtype)) if name in tau else base
            for name, base in theta0.items()
        }
        try:
            with swapped(module, values, {}):
                out = call(module)
        except NotImplementedError as error:
            raise TangentError(
                f"tangent: {type(module).__name__} uses an operation without a forward rule: "
                f"{error}"
            ) from error
        return tree_map(_primal, out), tree_map(_tangent, out)


def _primal(value: Any) -> Any:
    return forward_ad.unpack_dual(value).primal.detach() if isinstance(value, Tensor) else value


def _tangent(value: Any) -> Any:
    if not is_differentiable(value):
        return value
    tangent = forward_ad.unpack_dual(value).tangent
    return torch.zeros_like(value) if tangent is None else tangent.detach()
