"""Model Stock: as far from the base as the agreement of the fine-tunes allows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..coefficients import Row
from ..formula import Formula
from ..gram import Gram
from ..method import tensor_method
from ..recipe import one_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter

PARTS: dict[str | None, str] = {"tensor": "tensor", "row": "row"}
SINGULAR = 1e-6


@tensor_method(
    "model_stock",
    checkpoints=(2, None),
    weighted=False,
    cost="two passes: products, then a weighted sum; by rows a whole tensor of every checkpoint",
)
def model_stock(n: int, *, by: str = "tensor") -> Formula:
    """Average a few fine-tunes of one task, pulled towards the base where they disagree.

    theta = theta0 + t mean_i tau_i, t = N c / (1 + (N - 1) c), c the mean cosine of all pairs of
    task vectors: of a parameter (`by` "tensor", the default, as in mergekit) or of each of its
    rows (`by` "row", mergekit's filter_wise; a 1-D parameter is one row). t is 0 where the
    denominator is within 1e-6 of 0. A zero task vector has cosine 0.
    mergekit takes no product of norms below 1e-6 as the cosine's divisor, which shrinks small
    parameters' t; here cosines are cosines.
    Source: Jang et al. 2024, arXiv 2403.19522.
    """
    rowwise = one_of("by", by, PARTS) == "row"

    def weights(products: Gram, row: Row) -> Row:
        return (_share(products) / n,) * n

    def merged_by_row(parameter: Parameter) -> Iterator[Tensor]:
        import torch

        rows = torch.stack([_rows(vector) for vector in parameter.vectors], dim=1)  # [rows, N, m]
        products = rows.double() @ rows.mT.double()
        share = _shares(products, n)[:, None]
        yield (rows.sum(1) * (share / n)).view(parameter.shape)

    return Formula(merged_by_row, beside=8 * n) if rowwise else Formula(weights=weights)


def _rows(vector: Tensor) -> Tensor:
    return vector.reshape(1, -1) if vector.ndim < 2 else vector.reshape(vector.shape[0], -1)


def _share(products: Gram) -> float:
    """t from the products."""
    n = len(products)
    norms = [math.sqrt(row[i]) for i, row in enumerate(products)]
    total = 0.0
    for i, row in enumerate(products):
        for j, product in enumerate(row):
            if i != j:
                scale = norms[i] * norms[j]
                total += min(max(product / (scale if scale > 0 else 1.0), -1.0), 1.0)
    pairs = total / (n * (n - 1))
    below = 1 + (n - 1) * pairs
    return 0.0 if abs(below) < SINGULAR else n * pairs / below


def _shares(products: Tensor, n: int) -> Tensor:
    """`_share` for a tensor of products, [..., N, N]."""
    norms = products.diagonal(dim1=-2, dim2=-1).sqrt()
    scale = norms[..., :, None] * norms[..., None, :]
    cosines = (products / scale.where(scale > 0, 1.0)).clamp(-1, 1)
    pairs = (cosines.sum((-2, -1)) - cosines.diagonal(dim1=-2, dim2=-1).sum(-1)) / (n * (n - 1))
    below = 1 + (n - 1) * pairs
    singular = below.abs() < SINGULAR
    return (n * pairs / below.where(~singular, 1.0)).where(~singular, 0.0)
