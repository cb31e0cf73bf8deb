"""Sums of x x^T over the inputs x of every linear layer, taken while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from taujp.merge.methods.regmean import INPUTS_FIRST
from taujp.tangent.kronecker.linear_maps import MAPS, LinearMap, LinearMaps, Use


class LinearInputs(LinearMaps):
    """Inside, X^T X of every linear map's inputs is added up; nothing else is kept.

    sums: {weight's name: [in, in]}. rows: how many inputs each is of. inputs_first: the weights
    that are [in, out], as those of transformers' Conv1D and open_clip's last projection. Weights
    in `elsewhere` were used for something else too, as an embedding that is tied to the head.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], watched: set[str], dtype: torch.dtype
    ) -> None:
        super().__init__(parameters)
        self.maps: Mapping[Callable[..., Any], Callable[..., LinearMap | None]] = {
            functional.linear: MAPS[functional.linear],
            torch.addmm: self._addmm,
            **dict.fromkeys((torch.matmul, Tensor.matmul, Tensor.__matmul__), self._matmul),
        }
        self._watched, self._dtype = watched, dtype
        self.sums: dict[str, Tensor] = {}
        self.rows: dict[str, int] = {}
        self.inputs_first: set[str] = set()

    def add(self, use: Use) -> None:
        """Adds the products of one use's inputs."""
        if use.weight not in self._watched:
            return
        x = use.x.to(self._dtype)
        total = self.sums.get(use.weight)
        self.sums[use.weight] = x.T @ x if total is None else total.addmm_(x.T, x)
        self.rows[use.weight] = self.rows.get(use.weight, 0) + len(x)

    @property
    def settings(self) -> dict[str, Any]:
        """What regmean needs to know of the weights."""
        return {INPUTS_FIRST: sorted(self.inputs_first)}

    def _addmm(self, bias: Tensor, x: Tensor, weight: Tensor, **scales: Any) -> LinearMap | None:
        """Conv1D: x [rows, in] times [in, out]."""
        return None if scales or x.dim() != 2 else self._turned(x, weight, bias)

    def _matmul(self, x: Tensor, weight: Tensor) -> LinearMap | None:
        """x @ weight, x [..., in]."""
        return self._turned(x, weight, None) if weight.dim() == 2 and x.dim() > 0 else None

    def _turned(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> LinearMap | None:
        name = self._names.get(id(weight))
        if name is None:
            return None
        self.inputs_first.add(name)
        return x.reshape(-1, len(weight)), weight, bias, lambda y: y
