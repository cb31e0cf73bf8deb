"""Merges of the same checkpoints for many rows of coefficients, in as few passes as can be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

import taujp
from taujp.evaluate.coefficient_rows import is_layered
from taujp.evaluate.results import Coefficients
from taujp.merge.method import find_method, methods

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class RowMerges:
    """By one method. own: the fine-tuned weights by task; layers: names of weights by layer."""

    theta0: State
    own: Mapping[str, State]
    layers: Mapping[str, Sequence[str]]
    method: str
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        if find_method(self.method, has_base=self._has_base).per_task:
            raise ValueError(
                f"MergedWeights: {self.method} gives a model for each task; expected a method that "
                f"gives one; merge by it first: taujp.merge_many(..., method={self.method!r})"
            )

    def of(self, rows: Mapping[Hashable, Coefficients]) -> dict[Hashable, State]:
        """The merge of each row; those of the same checkpoints are one pass over them."""
        alike: dict[Hashable, list[Hashable]] = {}
        for key, row in rows.items():
            alike.setdefault((tuple(row), is_layered(row), self._common(row)), []).append(key)
        found: dict[Hashable, State] = {}
        for keys in alike.values():
            found.update(zip(keys, self._alike([rows[key] for key in keys]), strict=True))
        return found

    @property
    def _has_base(self) -> bool:
        """An unknown method is taken to have one, until it is refused by its name."""
        return self.method not in methods() or methods()[self.method].base != "none"

    def _alike(self, rows: Sequence[Coefficients]) -> Sequence[State]:
        """The merge of the checkpoints that have a coefficient; the others have no vote in it.

        One coefficient for all is a factor of what the method makes of the vectors: where it
        divides by the sum of coefficients, as TIES does, they would cancel.
        """
        first = rows[0]
        if not first:
            return [self.theta0]
        options = self.options
        coefs: Any
        if self._common(first):
            coefs, factor = [[1.0] * len(first)] * len(rows), options.get("lambda_", 1.0)
            factors = [factor * next(iter(row.values())) for row in rows]
            options = {**options, "lambda_": factors}
        elif is_layered(first):
            tables = [self._table(row) for row in rows]
            coefs = {name: [table[name] for table in tables] for name in tables[0]}
        else:
            coefs = [list(row.values()) for row in rows]
        base = self.theta0 if self._has_base else None
        sources = [self.own[name] for name in first]
        merged: list[State] = taujp.merge_many(
            sources, coefs, base=base, method=self.method, **options
        )
        return merged

    def _common(self, row: Coefficients) -> bool:
        """Whether the row is one factor of the merged vector."""
        return self._has_base and not is_layered(row) and len(set(row.values())) == 1

    def _table(self, row: Coefficients) -> dict[str, list[float]]:
        """Coefficients by layer as merge_many takes them: a list for each weight's name."""
        values = list(row.values())
        lost = {
            layer for value in values if isinstance(value, Mapping) for layer in value
        } - self.layers.keys()
        if lost:
            raise ValueError(
                f"MergedWeights: no layers {sorted(lost)}; there are {list(self.layers)}"
            )
        return {
            _literal(name): [
                value.get(layer, 0.0) if isinstance(value, Mapping) else value for value in values
            ]
            for layer, names in self.layers.items()
            for name in names
        }


def _literal(name: str) -> str:
    """A name as a glob pattern that matches it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
