"""The float64 twins of the whole-tensor methods, in plain torch, from the papers' formulas alone.

A twin gets one parameter: its N vectors (task vectors where there is a base, else the checkpoints'
values), the base (or None) and one row of coefficients, all float64, and gives what the method
makes of the vectors; `merged` adds theta0 and lambda. A method that decides something by a
threshold says where the decision is too close for fp32: there an element may be either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

import reference_merge_elements as elements
import reference_merge_lora as adapters
import reference_merge_matrices as matrices
import reference_merge_weights as weighing
from reference_merge_given import Decided, Given

StateDict = Mapping[str, Tensor]
Twin = Callable[..., "Tensor | Decided"]
TWINS: dict[str, Twin] = {
    twin.__name__: twin
    for twin in (
        adapters.knots,
        weighing.expo,
        weighing.karcher,
        weighing.lines,
        weighing.model_stock,
        weighing.multislerp,
        weighing.nuslerp,
        weighing.slerp,
        elements.arcee_fusion,
        elements.consensus,
        elements.della,
        elements.della_linear,
        elements.nearswap,
        elements.ram,
        elements.ramplus_tl,
        elements.sce,
        matrices.iso_c,
        matrices.iso_cts,
        matrices.svc,
        matrices.tsv_m,
    )
}


def merged(
    ckpts: Sequence[StateDict],
    coefs: Sequence[float],
    base: StateDict | None,
    *,
    method: str,
    lambda_: float = 1.0,
    **options: Any,
) -> dict[str, Decided]:
    """What merge_many is to return."""
    names = tuple(sorted(name for name, tensor in ckpts[0].items() if tensor.is_floating_point()))
    weights = torch.tensor(coefs, dtype=torch.float32).tolist()
    found = {}
    for name in names:
        theta0 = None if base is None else base[name].double()
        thetas = [c[name].double() for c in ckpts]
        # tau is rounded to fp32: the contract
        vectors = thetas if theta0 is None else [(t - theta0).float().double() for t in thetas]
        result = TWINS[method](Given(name, vectors, theta0, weights, names), **options)
        if not isinstance(result, Decided):
            result = Decided(result, torch.zeros(result.shape, dtype=torch.bool))
        start = 0.0 if theta0 is None else theta0
        found[name] = Decided(start + lambda_ * result.value, result.close, result.slack)
    return found
