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
import reference_merge_masks as masks
import reference_merge_matrices as matrices
import reference_merge_weights as weighing
from reference_merge_given import Decided, Given

StateDict = Mapping[str, Tensor]
Twin = Callable[..., "Tensor | Decided | list[Decided]"]
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
        matrices.wudi,
        masks.pcb,
    )
}

# Of methods that give a model for each checkpoint; such a twin gives a list.
BY_TASK: dict[str, Twin] = {twin.__name__: twin for twin in (masks.emr, masks.tall_mask)}


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
    (one,) = merged_by_task(ckpts, coefs, base, method=method, lambda_=lambda_, **options)
    return one


def merged_by_task(
    ckpts: Sequence[StateDict],
    coefs: Sequence[float],
    base: StateDict | None,
    *,
    method: str,
    lambda_: float = 1.0,
    **options: Any,
) -> list[dict[str, Decided]]:
    """The same for methods that give a model for each checkpoint; one model for all others."""
    names = tuple(sorted(name for name, tensor in ckpts[0].items() if tensor.is_floating_point()))
    weights = torch.tensor(coefs, dtype=torch.float32).tolist()
    vectors = {name: _vectors(ckpts, base, name) for name in names}
    model = [torch.cat([vectors[n][i].flatten() for n in names]) for i in range(len(ckpts))]
    found: list[dict[str, Decided]] = []
    for name in names:
        theta0 = None if base is None else base[name].double()
        given = Given(name, vectors[name], theta0, weights, names, model)
        results = (TWINS | BY_TASK)[method](given, **options)
        results = results if isinstance(results, list) else [results]
        found = found or [{} for _ in results]
        for one, result in zip(found, results, strict=True):
            if not isinstance(result, Decided):
                result = Decided(result, torch.zeros(result.shape, dtype=torch.bool))
            start = 0.0 if theta0 is None else theta0
            one[name] = Decided(start + lambda_ * result.value, result.close, result.slack)
    return found


def _vectors(ckpts: Sequence[StateDict], base: StateDict | None, name: str) -> list[Tensor]:
    thetas = [c[name].double() for c in ckpts]
    if base is None:
        return thetas
    # tau is rounded to fp32: the contract
    return [(theta - base[name].double()).float().double() for theta in thetas]
