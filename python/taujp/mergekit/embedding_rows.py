"""Where each row of an aligned embedding comes from, and the rows themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from taujp.checkpoint import CheckpointError

from .tokenizer_plan import TokenizerPlan

if TYPE_CHECKING:
    import torch

ZERO, AVERAGE = -1, -2


@dataclass(frozen=True)
class RowSources:
    """Rows for the tokens that a model lacks, or must not take from itself.

    models: those that are merged together. source: int64 [tokens]: a model's number, ZERO or
    AVERAGE (of the models that have the token). row: int64 [tokens], the row of that model.
    forced: bool [tokens]: every model takes this row. gathers: int64 [models, tokens].
    """

    models: tuple[str, ...]
    source: np.ndarray
    row: np.ndarray
    forced: np.ndarray
    gathers: np.ndarray

    def own(self, model: str) -> np.ndarray:
        """int64 [tokens]: the model's rows of the tokens that it keeps, or -1."""
        return np.where(self.forced, -1, self.gathers[self.models.index(model)])

    def averages(self, model: str, size: int) -> bool:
        """Whether any of a model's `size` rows is an average: a token's, or padding."""
        taken = (self.own(model) < 0) & (self.source == AVERAGE)
        return size > len(taken) or bool(taken.any())

    def digest(self, model: str) -> str:
        """Says all that determines one model's rows, but for the numbers in the tensors."""
        parts = (self.own(model), self.source, self.row, self.gathers)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def row_sources(plan: TokenizerPlan, models: Sequence[str], base: str | None) -> RowSources:
    """Apply the rules to every token at once.

    The configuration's choice; else the only model that has the token; else the base, where it has
    it; else the average of those that have it; else zero.
    """
    gathers = np.stack([plan.gathers[model] for model in models])
    present = gathers >= 0
    having = present.sum(axis=0)
    source = np.where(having == 0, ZERO, AVERAGE)
    source = np.where(having == 1, present.argmax(axis=0), source)
    if base is not None and base in models:
        number = list(models).index(base)
        source = np.where(present[number], number, source)
    row = np.take_along_axis(gathers, np.maximum(source, 0)[None], axis=0)[0]
    forced = np.zeros(len(source), bool)
    for token, chosen in plan.chosen.items():
        if present[:, token].all() and not chosen.force:
            continue  # each has its own here
        if chosen.model is not None and chosen.model not in models:
            raise CheckpointError(
                f"tokenizer: the token of id {token} takes its row from {chosen.model}, which has "
                f"no such tensor here or is not merged here; here are {', '.join(models)}"
            )
        source[token] = ZERO if chosen.model is None else list(models).index(chosen.model)
        row[token], forced[token] = chosen.row, chosen.force
    return RowSources(tuple(models), source, row, forced, gathers)


def aligned_rows(
    sources: RowSources,
    model: str,
    tensors: Mapping[str, Callable[[], torch.Tensor]],
    size: int,
    dtype: torch.dtype,
    sums: torch.dtype,
) -> torch.Tensor:
    """[size, ...]: the model's rows in the order of the tokens, then the average for the padding.

    tensors: gives each model's tensor; sums: the dtype of averages.
    """
    import torch

    own, tokens = sources.own(model), len(sources.source)
    gather = torch.from_numpy(np.concatenate([own, np.full(size - tokens, -1)]))
    rows = tensors[model]().index_select(0, gather.clamp(min=0)).to(dtype)
    rows[gather < 0] = 0
    lacking = own < 0
    for number, donor in enumerate(sources.models):
        taken = np.flatnonzero(lacking & (sources.source == number))
        if len(taken):
            found = tensors[donor]().index_select(0, torch.from_numpy(sources.row[taken]))
            rows[torch.from_numpy(taken)] = found.to(dtype)
    averaged = np.flatnonzero(lacking & (sources.source == AVERAGE))
    if len(averaged):
        rows[torch.from_numpy(averaged)] = _averages(sources, averaged, tensors, sums).to(dtype)
    if size > tokens:
        rows[tokens:] = rows[:tokens].mean(0, dtype=sums).to(dtype)
    return rows


def _averages(
    sources: RowSources,
    tokens: np.ndarray,
    tensors: Mapping[str, Callable[[], torch.Tensor]],
    sums: torch.dtype,
) -> torch.Tensor:
    """For each of these tokens the average of the models that have it, added in their order."""
    import torch

    shape = (len(tokens), *tensors[sources.models[0]]().shape[1:])
    total = torch.zeros(shape, dtype=sums)
    for gather, model in zip(sources.gathers, sources.models, strict=True):
        having = np.flatnonzero(gather[tokens] >= 0)
        found = tensors[model]().index_select(0, torch.from_numpy(gather[tokens][having]))
        total[torch.from_numpy(having)] += found.to(sums)
    counts = torch.from_numpy((sources.gathers[:, tokens] >= 0).sum(axis=0))
    return total / counts.to(sums).view(-1, *[1] * (len(shape) - 1))
