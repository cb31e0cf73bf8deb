"""theta - theta0 for many parameters at once, formed before anything is rounded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from taujp.tangent import kernels


def differences(
    module: nn.Module, theta0: Mapping[str, Tensor], *, matrices: torch.dtype | None = None
) -> dict[str, Tensor]:
    """tau by name, in theta0's dtype; what has two dimensions or more is rounded to `matrices`.

    The difference is formed first and rounded once: casting theta and theta0 first would lose it.
    """
    groups: dict[torch.dtype | None, list[str]] = {}
    for name, base in theta0.items():
        groups.setdefault(matrices if base.dim() > 1 else None, []).append(name)
    found: dict[str, Tensor] = {}
    for dtype, names in groups.items():
        theta = [module.get_parameter(name).detach() for name in names]
        taus = kernels.deltas(theta, [theta0[name] for name in names], dtype)
        found.update(zip(names, taus, strict=True))
    return {name: found[name] for name in theta0}


def checked(
    tau: Mapping[str, Tensor], theta0: Mapping[str, Tensor], index: int
) -> dict[str, Tensor]:
    """A task vector in theta0's dtypes and on its devices, or an error with what does not fit."""
    wrong = [
        f"'{name}' {tuple(value.shape)}"
        for name, value in tau.items()
        if name not in theta0 or value.shape != theta0[name].shape
    ]
    if wrong:
        name, base = next(iter(theta0.items()))
        raise ValueError(
            f"linearize: task vector {index} has {', '.join(wrong[:5])}; expected names and shapes "
            f"of the {len(theta0)} trained parameters, such as '{name}' {tuple(base.shape)}"
        )
    return {name: value.to(theta0[name]) for name, value in tau.items()}
