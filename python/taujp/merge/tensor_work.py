"""One parameter through a whole-tensor method, to K results: wherever they come from or go to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from .coefficients import Row
from .formula import Blend
from .parameter import Inputs, Parameter, pieces, results_of
from .prepare import Merge
from .weighing import known_weights_of, weights_of

# Elements of a piece: all that is made of them stays in the cache, and torch gives each operation
# to one thread, where many threads would wait for each other after every one.
_POINTWISE = 1 << 15


def work_out(
    merge: Merge,
    name: str,
    inputs: Inputs,
    room: Callable[[int], torch.Tensor],
    found: Any = None,
) -> list[Row] | None:
    """Write the K results of a parameter, or say by what weights [K][N] the kernels make them.

    room(k): where result k goes, a contiguous tensor of the parameter's size and of the dtype to be
      written. found: what the formula's survey returned.
    Raises: NonfiniteInput where the merge does not allow it; MergeError of the method.
    """
    rows = merge.coefficients.tables[merge.coefficients.group_of(name)]
    assert merge.formula is not None
    if merge.formula.weights is not None:
        parameter = Parameter(merge, name, rows, inputs, merge.donor.entries[name].shape)
        return weights_of(merge, name, rows, parameter.products)
    if merge.formula.known is not None:
        return known_weights_of(merge, name, rows)
    places = _places(merge, rows)
    blends: dict[int, Row] = {}
    for parameter in _parts(merge, name, tuple(dict.fromkeys(rows)), inputs, found):
        for result, numbers in zip(results_of(parameter), places, strict=True):
            for k in numbers:
                if isinstance(result, Blend):
                    blends[k] = result.weights
                else:
                    _finish(parameter, result, merge.lambdas[k], room(k))
    return [blends[k] for k in range(len(rows))] if blends else None


def _places(merge: Merge, rows: Sequence[Row]) -> list[list[int]]:
    """The numbers k that each of the formula's results has: one a task, or those of equal rows."""
    if merge.per_task:
        return [[k] for k in range(len(rows))]
    return [[k for k, other in enumerate(rows) if other == row] for row in dict.fromkeys(rows)]


def _parts(
    merge: Merge, name: str, rows: tuple[Row, ...], inputs: Inputs, found: Any
) -> Iterator[Parameter]:
    """The whole parameter, or its pieces where the formula can take it so; none if it is empty."""
    entry = merge.donor.entries[name]
    assert merge.formula is not None
    if entry.size == 0:
        return
    if not merge.formula.pointwise:
        yield Parameter(merge, name, rows, inputs, entry.shape, found=found)
        return
    for first, count in pieces(entry.size, _POINTWISE):
        yield Parameter(merge, name, rows, inputs, (count,), first, found)


def _finish(parameter: Parameter, result: torch.Tensor, factor: float, room: torch.Tensor) -> None:
    """theta0 + factor * result, or the result alone without a base: rounded once, into the room."""
    target = room.view(-1)[parameter.first : parameter.first + parameter.size]
    result = result.reshape(-1)
    if parameter.merge.base is not None:
        result = torch.add(parameter.base.reshape(-1), result, alpha=factor)
    target.copy_(result)
