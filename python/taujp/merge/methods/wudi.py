"""WUDI-Merging: the merged vector that disturbs no task's own inputs, found by descent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..formula import Blend, Formula
from ..method import tensor_method
from ..recipe import one_number, whole_number
from .tsv_m import means

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter

    Slope = Callable[[Tensor], Tensor]


@tensor_method("wudi", cost="a matrix of every checkpoint in memory; `steps` products with it")
def wudi(n: int, *, steps: int = 300, rate: float = 1e-5) -> Formula:
    """Merge linear layers so that each task's inputs, which its task vector spans, see their own.

    For matrices Delta minimises sum_i |(Delta - tau_i) tau_i^T|^2 / |tau_i|^2 by `steps` of Adam
    with step length `rate`, from sum_i tau_i on, tau_i here and below times c_i; what is no matrix
    gets the mean. The gradient is 2 (Delta G - H) with G = sum_i tau_i^T tau_i / |tau_i|^2 and
    H = sum_i tau_i tau_i^T tau_i / |tau_i|^2: one product a step, where the loss itself takes 3 N.
    The authors merge the weights of attention and MLPs alone; all else, biases and norms too, is as
    in the base: give the rest coefficients of 0 (coefs by pattern). fusion-bench does as here.
    `rate` is absolute: 300 steps of 1e-5 move an element by 0.003 at most.
    Source: Cheng et al. 2025, arXiv 2503.08099.
    """
    count = whole_number("steps", steps, 0, 1_000_000)
    length = one_number("rate", rate, 0.0, 1e3)

    def merged(parameter: Parameter) -> Iterator[Tensor | Blend]:
        if len(parameter.shape) != 2:
            yield from means(parameter)
            return
        for row in parameter.rows:
            yield _descended(parameter, row, count, length)

    return Formula(merged, decomposes=True, beside=10)


def _descended(parameter: Parameter, row: tuple[float, ...], steps: int, rate: float) -> Tensor:
    start = parameter.weighted_sum(row)
    rows, columns = start.shape
    together = columns <= 2 * len(row) * rows
    slope = (_by_products if together else _one_by_one)(parameter, row)
    return _adam(start, slope, steps, rate)


def _by_products(parameter: Parameter, row: tuple[float, ...]) -> Slope:
    """Delta G - H, with G [b, b] and H [a, b] for tau_i of shape [a, b]."""
    total = parameter.vector(0).zero_()
    gram, target = total.new_zeros(total.shape[1], total.shape[1]), total
    for tau, size in _weighted(parameter, row):
        own = (tau.mT @ tau).div_(size)
        gram += own
        target += tau @ own
    return lambda found: (found @ gram).sub_(target)


def _one_by_one(parameter: Parameter, row: tuple[float, ...]) -> Slope:
    """The same for matrices so wide that G would be the larger work."""
    terms = list(_weighted(parameter, row))

    def slope(found: Tensor) -> Tensor:
        own = ((((found - tau) @ tau.mT) @ tau).div_(size) for tau, size in terms)
        return sum(own, found * 0.0)

    return slope


def _weighted(parameter: Parameter, row: tuple[float, ...]) -> Iterator[tuple[Tensor, float]]:
    """c_i tau_i and its squared length, but those of none."""
    import torch

    for i, c in enumerate(row):
        tau = parameter.vector(i).mul_(c)
        size = float(tau.square().sum(dtype=torch.float64))
        if size > 0:
            yield tau, size


def _adam(start: Tensor, slope: Slope, steps: int, rate: float) -> Tensor:
    """Adam with its usual constants: decays 0.9 and 0.999, 1e-8 below; `slope` is half of it."""
    found, mean, square = start, start * 0.0, start * 0.0
    for step in range(1, steps + 1):
        gradient = slope(found) * 2.0
        mean.lerp_(gradient, 0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        below = (square / (1 - 0.999**step)).sqrt_().add_(1e-8)
        found = found.addcdiv(mean, below, value=-rate / (1 - 0.9**step))
    return found
