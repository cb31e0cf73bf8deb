"""Operations in place on a Dual: computed out of place, and the Dual takes the result.

x += y gives the Python object x a new primal and new tangents. Another tensor on the same memory
would not see the change, so where there is one, the operation is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from taujp.tangent.dual import Dual, TangentError
from taujp.tangent.rules.forward_mode import name_of

OUT_OF_PLACE: dict[str, Any] = {
    "__iadd__": Tensor.add,
    "__isub__": Tensor.sub,
    "__imul__": Tensor.mul,
    "__itruediv__": Tensor.div,
}


def is_in_place(func: Callable[..., Any], kwargs: Any) -> bool:
    """x.add_(y), x += y, x[i] = y, f(x, out=z), relu(x, inplace=True)."""
    if kwargs.get("out") is not None or kwargs.get("inplace"):
        return True
    name = getattr(func, "__name__", "")
    if name == "requires_grad_":
        return False
    return name in OUT_OF_PLACE or name == "__setitem__" or _ends_in_place(name)


def _ends_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def apply(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The operation in place, or an error where its tangent cannot be kept."""
    name, target = getattr(func, "__name__", ""), args[0] if args else None
    plain: Callable[..., Any] | None = OUT_OF_PLACE.get(name)
    if plain is None and kwargs.get("inplace"):
        plain, kwargs = func, {**kwargs, "inplace": False}
    elif plain is None and _ends_in_place(name) and "out" not in kwargs:
        plain = getattr(torch.nn.functional, name[:-1], None) or getattr(Tensor, name[:-1], None)
    if plain is None or type(target) is not Dual or not _is_alone(target.primal):
        raise TangentError(
            f"tangent: {name_of(func)} writes into a tensor whose tangent cannot follow; expected "
            "memory that no other tensor shares; write it out of place or use "
            "linearize(model, backend='generic')"
        )
    changed = plain(target, *args[1:], **kwargs).to(target.dtype)
    if changed.shape != target.shape:
        raise TangentError(
            f"tangent: {name_of(func)} would change the shape of what it writes into from "
            f"{tuple(target.shape)} to {tuple(changed.shape)}; expected one that keeps it; use "
            "linearize(model, backend='generic')"
        )
    none = (None,) * len(target.tangents)
    moves = type(changed) is Dual
    target.primal = changed.primal if moves else changed
    target.tangents = changed.tangents if moves else none
    return target


def _is_alone(primal: Tensor) -> bool:
    """No other living tensor shares the memory: one reference is the primal's, one this call's."""
    storage = primal.untyped_storage()
    return primal._base is None and torch._C._storage_Use_Count(storage._cdata) <= 2
