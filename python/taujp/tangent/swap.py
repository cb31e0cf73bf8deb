"""Running a module with other tensors in the place of its parameters, and other forwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn


@contextlib.contextmanager
def swapped(
    module: nn.Module,
    values: Mapping[str, Tensor],
    forwards: Mapping[nn.Module, Callable[..., Any]],
) -> Iterator[nn.Module]:
    """Inside, `module` has these tensors under these parameters' names, tied ones everywhere.

    `forwards` stand in for the forward of some of its modules. Everything returns at the end.
    """
    undo: list[Callable[[], object]] = []
    try:
        by_id = {id(module.get_parameter(name)): value for name, value in values.items()}
        for part in module.modules():
            _swap_parameters(part, by_id, undo)
        for part, forward in forwards.items():
            part.__dict__["forward"] = forward
            undo.append(lambda part=part: part.__dict__.pop("forward"))  # type: ignore[misc]
        yield module
    finally:
        for action in reversed(undo):
            action()


def _swap_parameters(
    part: nn.Module, by_id: Mapping[int, Tensor], undo: list[Callable[[], object]]
) -> None:
    for name, own in list(part._parameters.items()):
        if id(own) in by_id:
            part._parameters[name] = by_id[id(own)]  # type: ignore[assignment]
            undo.append(lambda name=name, own=own: part._parameters.__setitem__(name, own))  # type: ignore[misc]
    if isinstance(part, nn.RNNBase):  # keeps a list of its weights beside them
        weights = part._flat_weights
        part._flat_weights = [by_id.get(id(one), one) for one in weights]
        undo.append(lambda: setattr(part, "_flat_weights", weights))
