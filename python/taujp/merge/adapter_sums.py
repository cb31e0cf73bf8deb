"""Weighted sums of adapters' changes: all factors side by side are one product for each matrix.

    sum_i c_i B_i A_i = [c_1 B_1 ... c_N B_N] [A_1; ...; A_N]

in float64, rounded once: no change is ever made by itself. Their dot products follow from the
factors too, <B_i A_i, B_j A_j> = sum((B_i^T B_j) * (A_i A_j^T)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from taujp.checkpoint.lora_change import Factors, low_rank_factors, rank_of, rows_at_a_time

from .coefficients import Row
from .elected import folded
from .gram import Gram
from .prepare import Merge
from .recipe import Recipe
from .weighing import known_weights_of, weights_of


def factors_of(merge: Merge, name: str) -> list[Factors] | None:
    """The low-rank factors of all tau_i of a parameter; None where one is no adapter's change."""
    if not merge.deltas:
        return None
    found = [low_rank_factors(checkpoint.entries[name]) for checkpoint in merge.checkpoints]
    whole = [pair for pair in found if pair is not None]
    return whole if len(whole) == len(found) else None


def finite(factors: Sequence[Factors]) -> bool:
    """Whether they hold neither NaN nor Inf."""
    return all(bool(factor.isfinite().all()) for pair in factors for factor in pair)


def sum_of_factors(merge: Merge, name: str) -> SumOfFactors | None:
    """How a parameter is made from factors alone; None where it is no weighted sum of changes."""
    factors = factors_of(merge, name) if _is_sum(merge) else None
    return None if factors is None else SumOfFactors(merge, name, tuple(factors))


def bytes_of_factors(merge: Merge, name: str) -> int | None:
    """What `sum_of_factors` and its product hold of factors; None where it returns None."""
    entries = [checkpoint.entries[name] for checkpoint in merge.checkpoints]
    ranks = [rank_of(entry) for entry in entries] if merge.deltas and _is_sum(merge) else [None]
    found = [rank for rank in ranks if rank is not None]
    if len(found) < len(ranks):
        return None
    rows, columns = entries[0].shape[0], math.prod(entries[0].shape[1:])
    return 2 * torch.float64.itemsize * (rows + columns) * sum(found)  # and all side by side


def _is_sum(merge: Merge) -> bool:
    """Whether results are theta0 and weighted sums of changes, wherever those come from."""
    weighted = merge.formula is None or merge.formula.merged is None
    return (
        merge.base is not None and weighted and replace(merge.recipe, normalize=False) == Recipe()
    )


@dataclass(frozen=True)
class SumOfFactors:
    """A parameter that is theta0 and a weighted sum of adapters' changes, K times."""

    merge: Merge
    name: str
    factors: tuple[Factors, ...]

    def write(self, theta0: Tensor, rooms: Sequence[Tensor]) -> bool:
        """The K results into their rooms; False where an input holds NaN or Inf and must not."""
        if not self.merge.allow_nonfinite and not finite(self.factors):
            return False
        lefts, rights = zip(*self.factors, strict=True)
        left, right = torch.cat(lefts, 1).to(theta0.device), torch.cat(rights).to(theta0.device)
        weights = self._weights().to(theta0.device)
        wide = len(left), right.shape[1]
        start, places = theta0.view(wide), [room.view(wide) for room in rooms]

        sound = True
        for rows in rows_at_a_time(*wide):
            total = start[rows].double()
            for place, weight in zip(places, weights, strict=True):
                place[rows] = torch.addmm(total, left[rows] * weight, right)
            sound = sound and (self.merge.allow_nonfinite or bool(total.sum().isfinite()))
        return sound

    def _weights(self) -> Tensor:
        """lambda_k c_ki for each column of the factors side by side, [K, all ranks]."""
        row_of = partial(_as_summed, normalize=self.merge.recipe.normalize)
        weights = torch.stack([row_of(row) for row in self._rows()]).double()
        weights *= torch.tensor(self.merge.lambdas, dtype=torch.float64)[:, None]
        return weights.repeat_interleave(torch.tensor(_ranks(self.factors)), dim=1)

    def _rows(self) -> Sequence[Row]:
        """[K][N]: the coefficients, or what the formula makes of them."""
        merge, name = self.merge, self.name
        rows = merge.coefficients.tables[merge.coefficients.group_of(name)]
        if merge.formula is None:
            return rows
        if merge.formula.known is not None:
            return known_weights_of(merge, name, rows)
        return weights_of(merge, name, rows, products_of(self.factors))


def products_of(factors: Sequence[Factors]) -> Gram:
    """All dot products of the changes [N, N]."""
    left, right = torch.cat([left for left, _ in factors], 1), torch.cat([r for _, r in factors])
    table, ranks = (left.mT @ left) * (right @ right.mT), _ranks(factors)
    return [[float(part.sum()) for part in row.split(ranks, 1)] for row in table.split(ranks)]


def _ranks(factors: Sequence[Factors]) -> list[int]:
    return [left.shape[1] for left, _ in factors]


def _as_summed(row: Row, *, normalize: bool) -> Tensor:
    """What the kernels' sum, divided or not, makes of each unit vector: its weights [N]."""
    return folded(list(torch.eye(len(row))), row, fold="linear", normalize=normalize)
