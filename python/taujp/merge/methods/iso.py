"""Isotropic merging: every direction of the merged task vector is as strong as any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Blend, Formula
from ..method import tensor_method
from ..recipe import one_number
from .tsv_m import DECOMPOSED, means

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter
    from ..spectrum import Spectrum


_ROUNDING = 2.0**-23  # of the strongest direction: fp32's, in the products of adapters too


@tensor_method("iso_c", cost=DECOMPOSED)
def iso_c(n: int) -> Formula:
    """Merge tasks in their common subspace, with no direction outweighing the others.

    With the singular values of sum_i c_i tau_i = U S V of a matrix, theta = theta0 + mean(S) U V;
    what is no matrix gets the mean of c_i tau_i. Directions weaker than fp32's rounding of the
    strongest (1.2e-7) stay out: of low ranks, as adapters have, the authors' program raises
    directions of rounding to mean(S) too. It averages "text_projection". The paper scales the
    result by validation: lambda_ (about 1 to 2).
    Source: Marczak et al. 2025, arXiv 2502.04959.
    """

    def merged(parameter: Parameter) -> Iterator[Tensor | Blend]:
        if len(parameter.shape) != 2:
            yield from means(parameter)
            return
        for row in parameter.rows:
            yield _flat(parameter.weighted_sum(row))

    return Formula(merged, decomposes=True, beside=10)


@tensor_method("iso_cts", cost=DECOMPOSED)
def iso_cts(n: int, *, common: float = 0.8) -> Formula:
    """Isotropic merging that leaves room for each task's own directions: best for many tasks.

    The share `common` of the directions of s = sum_i c_i tau_i are kept (as many more or fewer as
    make the rest divisible by N); each task adds the strongest directions of c_i tau_i outside of
    that subspace, equally many; both sides of all of them are replaced by the nearest orthonormal
    ones, with the mean of their singular values for every direction. Otherwise as `iso_c`.
    Source: Marczak et al. 2025, arXiv 2502.04959.
    """
    share = one_number("common", common, 0.0, 1.0)

    def merged(parameter: Parameter) -> Iterator[Tensor | Blend]:
        if len(parameter.shape) != 2:
            yield from means(parameter)
            return
        for row in parameter.rows:
            yield _common_and_own(parameter, row, share)

    return Formula(merged, decomposes=True, beside=20)


def _flat(total: Tensor) -> Tensor:
    """The matrix with every singular value their mean."""
    from ..orthogonal import inverse_root, product

    if total.numel() == 0:
        return total
    tall = total.shape[0] > total.shape[1]
    root = inverse_root(total.mT if tall else total, _ROUNDING)
    inner = root.matrix * root.values.mean()
    return product(total, inner, root.weakest) if tall else product(inner, total, root.weakest)


def _common_and_own(parameter: Parameter, row: tuple[float, ...], share: float) -> Tensor:
    import torch

    from ..orthogonal import DEPENDENT, orthogonal
    from ..spectrum import strongest

    rank, n = min(parameter.shape), len(row)
    own = max(round((rank - int(rank * share)) / n), 0)
    own = min(own, rank // n)
    common = strongest(parameter.weighted_sum(row), rank - own * n)
    parts = [common, *_own_directions(parameter, row, common.left, own)]
    # the tasks' left sides are at right angles to the common one as they are
    tasks = orthogonal(torch.cat([part.left for part in parts[1:]], 1), DEPENDENT)
    left = torch.cat([common.left, tasks], 1).float()
    right = orthogonal(torch.cat([part.right for part in parts]), DEPENDENT).float()
    return (left @ right) * (torch.cat([part.values for part in parts]).sum() / max(rank, 1))


def _own_directions(
    parameter: Parameter, row: tuple[float, ...], common: Tensor, count: int
) -> Iterator[Spectrum]:
    """Of each c_i tau_i the strongest directions whose left side lies outside of `common`."""
    import torch

    from ..spectrum import strongest

    # A basis of what lies outside is small where the matrix has no more rows than columns.
    wide = parameter.shape[0] <= parameter.shape[1]
    outside = torch.linalg.qr(common, "complete")[0][:, common.shape[1] :] if wide else None
    for i, c in enumerate(row):
        term = parameter.vector(i).double() * c
        if outside is None:
            yield strongest(term - common @ (common.mT @ term), count)
        else:
            found = strongest(outside.mT @ term, count)
            yield found._replace(left=outside @ found.left)
