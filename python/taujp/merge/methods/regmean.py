"""RegMean: linear layers whose outputs come closest to those of every model on its own data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import MergeError
from ..formula import Blend, Formula
from ..gathered import Gathered, Shape, gathered, plain_average
from ..method import tensor_method
from ..recipe import one_number

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter

INPUTS_FIRST = "inputs_first"  # settings: names whose weights are [in, out], as GPT-2's
RIDGE = 1e-9


@tensor_method(
    "regmean",
    base="optional",
    cost="a matrix of a checkpoint at a time, its inputs' Gram matrix, and a solve of that size",
    statistics="grams",
)
def regmean(n: int, *, grams: Any = None, scale: float = 0.95) -> Formula:
    """Merge linear layers by regression: their outputs on every task's data change least.

    W = sum_i c_i W_i G_i (sum_i c_i G_i)^-1 for weights [out, in], G_i = E[x x^T] over model i's
    inputs of that layer, off-diagonal elements times `scale`; in float64. With a base the same of
    task vectors, times lambda. Everything else (biases, norms, embeddings, convolutions), and what
    `grams` lack (told in a warning), gets the average sum_i c_i theta_i / sum_i c_i, and so do
    directions that no input has.
    grams: N of `taujp.gather_grams`: Statistics, files, or {weight's name: [in, in]}.
    `scale`: the paper finds 0.9 good for most models, and 0.1 for some (the default is that of
    RegMean++ and fusion-bench for ViTs); below 1 it pulls towards the average.
    `taujp.regmean_plus_plus` gathers G layer by layer on the merged model.
    Source: Jin et al. 2023, arXiv 2212.09849.
    """
    given = gathered(
        "grams", "grams", grams, n, lambda name, shape: _gram_shape(given, name, shape)
    )
    factor = one_number("scale", scale, 0.0, 1.0)

    def merged(parameter: Parameter) -> Iterator[Tensor | Blend]:
        covered = given.covers(parameter)
        for row in parameter.rows:
            average = plain_average(row)
            yield _regressed(parameter, given, average, factor) if covered else Blend(average)

    return Formula(merged, beside=30, told=given.told, in_memory=given.in_memory)


def _gram_shape(given: Gathered, name: str, shape: Shape) -> Shape | None:
    if len(shape) != 2:
        return None
    width = shape[0] if _inputs_first(given, name) else shape[1]
    return width, width


def _inputs_first(given: Gathered, name: str) -> bool:
    return name in given.settings[0].get(INPUTS_FIRST, ())


def _regressed(
    parameter: Parameter, given: Gathered, average: tuple[float, ...], scale: float
) -> Tensor:
    import torch

    turned = _inputs_first(given, parameter.name)
    total = right = mean = torch.zeros((), dtype=torch.float64)
    for i, c in enumerate(average):
        vector = parameter.vector(i).double()
        weight = vector.mT if turned else vector
        gram = _shrunk(parameter, given, i, scale).to(vector.device)
        total, right, mean = total + c * gram, right + c * (weight @ gram), mean + c * weight
    # What no input has is as in the average: the least of pulls towards it.
    ridge = RIDGE * total.diagonal().mean()
    if not ridge > 0:
        return mean.mT if turned else mean
    total.diagonal().add_(ridge)
    merged = torch.linalg.solve(total, (right + ridge * mean).mT).mT
    return merged.mT if turned else merged


def _shrunk(parameter: Parameter, given: Gathered, checkpoint: int, scale: float) -> Tensor:
    """G with its off-diagonal elements scaled, float64."""
    gram = given.of(parameter, checkpoint).double()
    if not bool(gram.isfinite().all()):
        raise MergeError(
            f"{given.sets[checkpoint].label} holds NaN or Inf in {parameter.name!r}; gather it "
            "again"
        )
    return scale * gram + (1 - scale) * gram.diagonal().diag()
