"""tau = theta - theta0 of a model in training, differentiable: what dataless penalties are of."""

from __future__ import annotations

from torch import Tensor

from taujp.tangent.linearized import Linearized


def moved_weights(lin: Linearized) -> dict[str, Tensor]:
    """tau by name, in fp32 (fp64 for fp64), differentiable in what is trained.

    With low-rank tangents it is the product of the factors.
    """
    if lin.low_rank is not None:
        return dict(lin.low_rank.products())
    return {name: lin.module.get_parameter(name) - base for name, base in lin.theta0.items()}
