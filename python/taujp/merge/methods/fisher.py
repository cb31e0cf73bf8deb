"""Fisher merging: each parameter from the models whose predictions depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import MergeError
from ..formula import Blend, Formula
from ..gathered import Gathered, gathered, plain_average
from ..method import tensor_method
from ..recipe import one_number, yes_or_no

PIECE = 1 << 18  # elements; a fixed number, so that sums over pieces are the same everywhere

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter
    from ..prepare import Merge


@tensor_method(
    "fisher",
    base="optional",
    cost="one pass over the checkpoints, two over their fishers",
    statistics="fishers",
)
def fisher(n: int, *, fishers: Any = None, floor: float = 0.0, normalize: bool = True) -> Formula:
    """Average models by how much the predictions of each depend on every single parameter.

    theta = sum_i c_i F_i theta_i / sum_i c_i F_i, elementwise, F_i the diagonal of model i's Fisher
    information on its own task's data; with a base the same of task vectors, times lambda. The
    plain average where all F_i are 0, and for what `fishers` lack (told in a warning).
    fishers: N of `taujp.gather_fisher`: Statistics, files, or state dicts like the checkpoints.
    `normalize` (the default, as in the authors' code and fusion-bench; the paper's formula is
    without) divides each F_i by its norm over all that is merged: an unsure model's F_i are larger
    by orders of magnitude, and it would decide alone. `floor` is added to every F_i before (0 as
    in the paper). fusion-bench adds 1e-6, which large models' F_i hardly reach, so that they come
    close to the plain average; the authors raise the first model's F to at least 1e-6, so that it
    decides where the others' are smaller.
    Source: Matena and Raffel 2022, arXiv 2111.09832.
    """
    given = gathered("fishers", "fisher", fishers, n, lambda name, shape: shape)
    least = one_number("floor", floor, 0.0, 1e6)
    norms = [] if yes_or_no("normalize", normalize) else [1.0] * n

    def merged(parameter: Parameter) -> Iterator[Tensor | Blend]:
        covered = given.covers(parameter)
        if not norms:
            norms.extend(_norm(given, parameter.merge, i) for i in range(n))
        for row in parameter.rows:
            average = plain_average(row)
            yield _weighted(parameter, given, average, norms, least) if covered else Blend(average)

    pages = n  # of files with statistics, in memory while they are read
    return Formula(merged, pointwise=True, beside=pages, told=given.told, in_memory=given.in_memory)


def _weighted(
    parameter: Parameter,
    given: Gathered,
    average: tuple[float, ...],
    norms: list[float],
    floor: float,
) -> Tensor:
    """In float64: squares of gradients may lie below what fp32 has."""
    import torch

    vectors = [vector.double() for vector in parameter.vectors]
    above, below = torch.zeros_like(vectors[0]), torch.zeros_like(vectors[0])
    for i, (vector, c) in enumerate(zip(vectors, average, strict=True)):
        weight = _piece(parameter, given, i, above).add_(floor).mul_(c / norms[i])
        above.addcmul_(weight, vector)
        below.add_(weight)
    if above.numel() and not bool(below.min() > 0):
        mean = sum(c * vector for c, vector in zip(average, vectors, strict=True))
        return torch.where(below > 0, above / below, mean)
    return above.div_(below)


def _piece(parameter: Parameter, given: Gathered, checkpoint: int, like: Tensor) -> Tensor:
    """F of the parameter's elements, [shape], in the dtype and place of `like`."""
    flat = given.of(parameter, checkpoint).detach().reshape(-1)
    piece = flat[parameter.first : parameter.first + parameter.size]
    if piece.numel() and not bool(piece.min() >= 0):  # NaN is the least
        raise MergeError(
            f"{given.sets[checkpoint].label} holds numbers below 0 or NaN; Fisher information has "
            "none: gather it again"
        )
    return piece.to(like, copy=True).reshape(parameter.shape)


def _norm(given: Gathered, merge: Merge, checkpoint: int) -> float:
    """||F_i|| over all that is merged; 1 where it is 0."""
    from taujp.checkpoint import tensor_of

    one = given.sets[checkpoint]
    flat = (tensor_of(one, name).reshape(-1) for name in merge.names if name in one.entries)
    parts = (part for tensor in flat for part in tensor.split(PIECE))
    return sum(float(part.double().square().sum()) for part in parts) ** 0.5 or 1.0
