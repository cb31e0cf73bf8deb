"""Which environment every row of a batch came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Environments:
    """Row i has the label labels[i] and belongs to environment names[index[i]].

    labels, index: int64 [n]; environments may differ in size, rows come in any order. ValueError
    where the shapes or dtypes differ, an index names no environment, or an environment has no row.
    """

    labels: Tensor
    index: Tensor
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, values in (("labels", self.labels), ("index", self.index)):
            if values.dim() != 1 or values.dtype != torch.int64:
                raise ValueError(
                    f"Environments: {name} is {values.dtype} of shape {tuple(values.shape)}; "
                    "expected int64 of shape (rows,)"
                )
        if len(self.labels) != len(self.index):
            raise ValueError(
                f"Environments: {len(self.labels)} labels and {len(self.index)} indices; expected "
                "one of each a row"
            )
        self._check_index()

    def _check_index(self) -> None:
        count = len(self.names)
        if len(self.index) and not 0 <= int(self.index.min()) <= int(self.index.max()) < count:
            raise ValueError(
                f"Environments: index goes from {int(self.index.min())} to "
                f"{int(self.index.max())}, names has {count} {list(self.names)}; expected 0 to "
                f"{count - 1}"
            )
        empty = [
            name for name, rows in zip(self.names, self.counts().tolist(), strict=True) if not rows
        ]
        if empty or not self.names:
            raise ValueError(
                f"Environments: no row belongs to {empty or 'any environment'}; expected at least "
                "one of every environment in a batch; draw balanced batches, or leave it out"
            )

    @classmethod
    def joined(cls, parts: Sequence[Tensor], names: Sequence[str]) -> Environments:
        """From the labels of each environment, for rows that come one environment after another."""
        sizes = torch.tensor([len(part) for part in parts])
        index = torch.repeat_interleave(torch.arange(len(parts)), sizes)
        labels = torch.cat(list(parts))
        return cls(labels, index.to(labels.device), tuple(names))

    def to(self, device: torch.device | str) -> Environments:
        """The same on another device."""
        return Environments(self.labels.to(device), self.index.to(device), self.names)

    def name_of(self, row: int) -> str:
        """The environment of a row."""
        return self.names[int(self.index[row])]

    def counts(self) -> Tensor:
        """Rows of every environment, int64 [environments]."""
        return torch.bincount(self.index, minlength=len(self.names))
