"""SVC: task arithmetic with what several tasks share not counted several times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Blend, Formula
from ..method import tensor_method
from ..recipe import one_number
from .tsv_m import DECOMPOSED

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter


@tensor_method("svc", cost=DECOMPOSED)
def svc(n: int, *, alpha: float = 0.1) -> Formula:
    """Calibrate a sum of task vectors, direction by direction, against shared knowledge.

    With s = sum_i c_i tau_i of a matrix and its left singular vectors u_r, task i's response is
    a_ri = u_r^T tau_i and the merged one a_r = u_r^T s; gamma_r = N / sum_i max(`alpha`,
    <a_r, a_ri> / |a_ri|^2), and theta = theta0 + sum_r gamma_r u_r a_r. A response of zero counts
    as `alpha`; what is no matrix is the plain sum s. Give coefficients as for task_arithmetic.
    Source: Li et al. 2026, arXiv 2602.05536 (Algorithm 1 after task arithmetic; `alpha` 0.1 as in
    fusion-bench).
    """
    least = one_number("alpha", alpha, 1e-6)

    def merged(parameter: Parameter) -> Iterator[Tensor | Blend]:
        for row in parameter.rows:
            yield _calibrated(parameter, row, least) if len(parameter.shape) == 2 else Blend(row)

    return Formula(merged, decomposes=True, beside=18)


def _calibrated(parameter: Parameter, row: tuple[float, ...], least: float) -> Tensor:
    from ..spectrum import spectrum

    left, values, right = spectrum(parameter.weighted_sum(row))
    response, side = right * values[:, None], left.mT.float()
    total = values.new_zeros(values.shape)
    for i in parameter.checkpoints:
        own = (side @ parameter.vector(i)).double()
        size = own.square().sum(1)
        along = (response * own).sum(1) / size.where(size > 0, 1.0)
        total += along.where(size > 0, 0.0).clamp(min=least)
    return (left * (len(row) / total)) @ response
