"""The dataless penalty: other tasks' features stay where they are, by the tasks' factors alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from taujp.tangent.kronecker import Block, Factors, load_factors, quadratic_form
from taujp.tangent.kronecker.factors import quadratic_factors
from taujp.tangent.kronecker.sums import as_matrix
from taujp.tangent.linearized import Linearized
from taujp.train.penalties.moved import moved_weights


class Kronecker:
    """sum over layers of <G dW A, dW>: estimates the sum of E ||J_l tau_l||^2 over tasks, layers.

    factors: a file of `taujp factors`, or Factors; several tasks' are summed (`sum_factors`) and
    cost what one's do. weight: 500 in the paper. exclude: patterns of trained parameters that
    have no factors and are left without a penalty.

    `value` raises ValueError for a trained parameter that has neither. Gradient: 2 G dW A.
    Source: Porrello et al. 2026, arXiv 2602.17385.
    """

    name = "kronecker"

    def __init__(
        self,
        factors: str | os.PathLike[str] | Factors,
        *,
        weight: float = 500.0,
        exclude: Sequence[str] = (),
    ) -> None:
        self._factors = factors if isinstance(factors, Factors) else load_factors(factors)
        self.weight, self.exclude = weight, tuple(exclude)
        self.factors = self._factors.described()  # what a run's settings tell of them
        self._ready: list[tuple[Block, Tensor, Tensor]] = []
        self._ready_for: tuple[torch.device, torch.dtype] | None = None

    def open(self, *, start: int, part: int, parts: int, workers: int) -> None:
        """Nothing to start."""

    def control(self, step: int) -> dict[str, Tensor]:
        """No images."""
        return {}

    def value(self, tangents: dict[str, Tensor], lin: Linearized) -> Tensor:
        """The sum over the blocks of what is trained."""
        taus = moved_weights(lin)
        self._check(taus)
        first = next(iter(taus.values()))
        total = first.new_zeros(())
        for block, left, right in self._prepared(first):
            if block.weight in taus or block.bias in taus:
                total = total + quadratic_form(rows_of(block, taus), left, right)
        return total

    def _prepared(self, like: Tensor) -> list[tuple[Block, Tensor, Tensor]]:
        """G and A of every block on the model's device, made once."""
        if self._ready_for != (like.device, like.dtype):
            kept = [b for b in self._factors.blocks.values() if not self._is_excluded(b.weight)]
            pairs = [quadratic_factors(block) for block in kept]
            self._ready = [
                (block, left.to(like), right.to(like))
                for block, (left, right) in zip(kept, pairs, strict=True)
            ]
            self._ready_for = (like.device, like.dtype)
        return self._ready

    def _is_excluded(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.exclude)

    def _check(self, taus: Mapping[str, Tensor]) -> None:
        covered = self._factors.parameters
        left_out = [name for name in taus if name not in covered and not self._is_excluded(name)]
        if left_out:
            raise ValueError(
                f"Kronecker: {left_out[:3]} are trained and have no factors; expected factors of "
                "this model; gather them again, freeze these, or name them in exclude"
            )


def rows_of(block: Block, taus: Mapping[str, Tensor]) -> Tensor:
    """dW of a block: its rows of tau, with the bias' as the last column; frozen parts are 0."""
    rows, columns = len(block.left), len(block.right)
    like = next(iter(taus.values()))
    parts = []
    if block.weight in taus:
        parts.append(as_matrix(taus[block.weight])[block.first : block.last])
    else:
        parts.append(like.new_zeros(rows, columns - (block.bias is not None)))
    if block.bias is not None:
        bias = taus.get(block.bias)
        column = like.new_zeros(rows) if bias is None else bias[block.first : block.last]
        parts.append(column[:, None])
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
