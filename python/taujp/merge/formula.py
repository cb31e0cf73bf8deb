"""What a whole-tensor method does with one parameter of all checkpoints; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from .coefficients import Row
    from .gram import Gram
    from .masked import Masked
    from .parameter import Parameter
    from .prepare import Merge
    from .survey import Survey

# Elements of a piece of a survey; a fixed number, so that sums over pieces are the same everywhere.
SURVEYED = 1 << 18


@dataclass(frozen=True)
class Blend:
    """A weighted sum of the N vectors: the kernels compute it, no vector is copied."""

    weights: tuple[float, ...]


@dataclass(frozen=True)
class Formula:
    """One of `known`, `weights` and `merged`.

    known(merge, name, row): for one row of coefficients the weights [N] of the sum that the kernels
    make of a parameter's vectors, from its name alone.

    weights(products, row): for one row of coefficients the weights [N] of the sum that the kernels
    make of the vectors, from their dot products alone [N, N]. In plain numbers, so that a merge
    from files to files needs no torch.

    merged(parameter): yields one result for each of `parameter.rows`, in their order. (N results
    for its one row, checkpoint by checkpoint, where the method is `per_task`.)

    A result is a merged task vector where there is a base (what comes after, theta0 + lambda *
    result, is the same for all methods), else the merged parameter itself: a tensor of the
    parameter's shape in fp32 or float64, or a Blend.

    pointwise: each element of a result depends on the same element of the inputs alone, so that
    large parameters may come in pieces, 1-D. decomposes: its work is decompositions, which one
    thread does about as fast as many: several parameters are worked out side by side. beside: how
    many times a parameter's size in fp32 it holds at its peak, besides the vectors, the base and
    the results; as measured, for estimates. survey: looks at all parameters before the first is
    merged, as often as it likes; `parameter.found` is what it returned. surveying: as `beside`, of
    a piece of SURVEYED. masked: what `merged` gives, as one vector and masks.
    told: what an output says in the place of options that hold statistics; in_memory: whether some
    of them are, so that a later run cannot know them again.
    """

    merged: Callable[[Parameter], Iterator[torch.Tensor | Blend]] | None = None
    weights: Callable[[Gram, Row], Row] | None = None
    known: Callable[[Merge, str, Row], Row] | None = None
    pointwise: bool = False
    decomposes: bool = False
    beside: float = 0.0
    survey: Callable[[Survey], Any] | None = None
    surveying: float = 0.0
    masked: Callable[[Parameter], Masked] | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    in_memory: bool = False
