"""NuSLERP: SLERP with weights, of checkpoints or of task vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..coefficients import Row
from ..formula import Formula
from ..gram import Gram
from ..method import tensor_method
from ..recipe import one_of
from .slerp import cosine_of, on_the_arc, share_of_second

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter

ALONG: dict[str | None, str] = {name: name for name in ("tensor", "rows", "columns")}
PARALLEL = math.sqrt(1.0 - 1e-7)


@tensor_method(
    "nuslerp",
    base="optional",
    checkpoints=(2, 2),
    cost="two passes: products, then a weighted sum; by rows a whole tensor of every checkpoint",
)
def nuslerp(n: int, *, along: str = "tensor") -> Formula:
    """Interpolate two checkpoints, or with a base two task vectors, on the arc between them.

    t = c_2 / (c_1 + c_2); v = (sin((1 - t) omega) v_1 + sin(t omega) v_2) / sin(omega), and
    (1 - t) v_1 + t v_2 where v_1 and v_2 are parallel (1 - cos^2 < 1e-7, which is what mergekit's
    1e-16 comes to in fp32) or one is zero.
    `along`: omega is between whole parameters ("tensor", the default), between v_1[..., :] and
    v_2[..., :] ("rows": mergekit's nuslerp_flatten false), or between v_1[:, ...] and v_2[:, ...]
    ("columns": with nuslerp_row_wise). A vector of zeros has an angle of 90 degrees in mergekit.
    Source: mergekit 0.1.5; Shoemake 1985, doi 10.1145/325165.325242.
    """
    chosen = one_of("along", along, ALONG)

    def weights(products: Gram, row: Row) -> Row:
        return on_the_arc(cosine_of(products), share_of_second(row), PARALLEL)

    def merged_along(parameter: Parameter) -> Iterator[Tensor]:
        one, two = parameter.vectors
        dim = 0 if chosen == "columns" or one.ndim == 0 else -1
        cosine = _cosines(one, two, dim)
        for row in parameter.rows:
            first, second = _on_the_arcs(cosine, share_of_second(row))
            yield one * first + two * second

    return Formula(weights=weights) if chosen == "tensor" else Formula(merged_along, beside=11)


def _cosines(one: Tensor, two: Tensor, dim: int) -> Tensor:
    """float64, with that dimension kept as 1; 1 where a vector is zero."""
    import torch

    a, b = one.double(), two.double()
    scale = a.norm(dim=dim, keepdim=True) * b.norm(dim=dim, keepdim=True)
    cosine = (a * b).sum(dim, keepdim=True) / scale
    return torch.where(scale > 0, cosine, 1.0).clamp(-1, 1)


def _on_the_arcs(cosine: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """`on_the_arc` for a tensor of cosines."""
    import torch

    straight = cosine.abs() > PARALLEL
    omega = torch.acos(torch.where(straight, 0.0, cosine))
    first = torch.where(straight, 1.0 - t, torch.sin((1.0 - t) * omega) / torch.sin(omega))
    second = torch.where(straight, t, torch.sin(t * omega) / torch.sin(omega))
    return first, second
