"""Embeddings and heads with their rows in the order of the output's tokenizer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from taujp.checkpoint import Checkpoint, CheckpointError, Entry, computed_entry, tensor_of
from taujp.checkpoint.dtypes import byte_count, torch_dtype

from .embedding_rows import RowSources, aligned_rows, row_sources
from .tokenizer_plan import TokenizerPlan
from .vocabulary_tensors import vocabulary_names

if TYPE_CHECKING:
    import torch


def aligned(
    checkpoints: Mapping[str, Checkpoint],
    plan: TokenizerPlan,
    *,
    base: str | None = None,
    names: Sequence[str] | None = None,
    rounding: str = "exact",
    dtype: str | None = None,
) -> dict[str, Checkpoint]:
    """The checkpoints with the rows of their vocabulary tensors as the plan's tokenizer wants them.

    A tensor whose rows are already so is left as it is, or cut; others are worked out when they
    are wanted. A row that a model lacks (-1) is taken from: what the configuration says of the
    token; the only model that has it; the base; the average of those that have it; zero where none
    has it. Padding is the average of all rows.

    Args:
      checkpoints: those that are merged together, by their names in the plan; all named alike.
      base: the base model of this merge (a slice may have its own), or None.
      names: which tensors are indexed by tokens along their first axis; default:
        `vocabulary_names(checkpoints, plan.rows)`.
      rounding: "exact" averages in float32, or "stepwise" in the tensor's dtype, as mergekit does.
      dtype: of rows among which there are averages ("F32", "BF16", ...); of others, and by default:
        the widest of the checkpoints'.

    Raises: CheckpointError where a tensor has fewer rows than its tokenizer has tokens, or other
      dimensions disagree.
    """
    unplanned = [model for model in checkpoints if model not in plan.gathers]
    if unplanned:
        raise CheckpointError(f"tokenizer: {', '.join(unplanned)} is none of the plan's models")
    chosen = vocabulary_names(checkpoints, plan.rows) if names is None else tuple(names)
    entries: dict[str, dict[str, Entry]] = {model: {} for model in checkpoints}
    found: dict[tuple[str, ...], RowSources] = {}
    for name in chosen:
        having = {m: c for m, c in checkpoints.items() if name in c.entries}
        _check_shapes(name, having, plan)
        models = tuple(having)
        if models and models not in found:
            found[models] = row_sources(plan, models, base)
        for model in models:
            new = _entry(name, model, having, found[models], plan, rounding, dtype)
            entries[model][name] = new
    return {m: _with_entries(m, checkpoints, entries[m]) for m in checkpoints}


def _check_shapes(name: str, having: Mapping[str, Checkpoint], plan: TokenizerPlan) -> None:
    shapes = {model: checkpoint.entries[name].shape for model, checkpoint in having.items()}
    if len({shape[1:] for shape in shapes.values()}) > 1:
        said = ", ".join(f"{model}: {shape}" for model, shape in shapes.items())
        raise CheckpointError(
            f"tokenizer: the rows of {name!r} are of different lengths ({said}); only their number "
            f"may differ"
        )
    chosen = {model: -1 for model in having}
    for row in plan.chosen.values():
        if row.model in chosen:
            chosen[row.model] = max(chosen[row.model], row.row)
    for model, shape in shapes.items():
        last = max(int(plan.gathers[model].max(initial=-1)), chosen[model])
        if last >= shape[0]:
            raise CheckpointError(
                f"tokenizer: {model} has {name!r} of {shape[0]} rows, and a token of id {last}; "
                f"expected at least {last + 1} rows: check vocab_size in its config.json"
            )


def _entry(
    name: str,
    model: str,
    having: Mapping[str, Checkpoint],
    sources: RowSources,
    plan: TokenizerPlan,
    rounding: str,
    dtype: str | None,
) -> Entry:
    entry = having[model].entries[name]
    widest = _widest([c.entries[name].dtype for c in having.values()])
    wanted = dtype if dtype and sources.averages(model, plan.vocab_size) else widest
    shape = (plan.vocab_size, *entry.shape[1:])
    own = sources.own(model)
    in_place = plan.vocab_size == len(own) and np.array_equal(own, np.arange(len(own)))
    if in_place and wanted == entry.dtype and (shape == entry.shape or entry.file >= 0):
        return replace(entry, shape=shape, nbytes=byte_count(wanted, shape))
    tensors = {m: _reader(checkpoint, name) for m, checkpoint in having.items()}

    def make() -> torch.Tensor:
        kind = torch_dtype(wanted)
        sums = kind if rounding == "stepwise" or wanted == "F64" else torch_dtype("F32")
        return aligned_rows(sources, model, tensors, plan.vocab_size, kind, sums)

    inputs = [_identity(checkpoint, name) for checkpoint in having.values()]
    identity = f"rows of {inputs} {sources.digest(model)} {shape} {wanted} {rounding}"
    return computed_entry(name, wanted, shape, make, identity)


def _widest(dtypes: Sequence[str]) -> str:
    """The dtype that holds the numbers of all; float32 for float16 beside bfloat16."""
    kinds = set(dtypes)
    return kinds.pop() if len(kinds) == 1 else "F32"


def _reader(checkpoint: Checkpoint, name: str) -> Callable[[], torch.Tensor]:
    return lambda: tensor_of(checkpoint, name)


def _identity(checkpoint: Checkpoint, name: str) -> str:
    """Which numbers these are; of tensors in memory a later process can know nothing."""
    entry = checkpoint.entries[name]
    if entry.file >= 0:
        return f"{checkpoint.files[entry.file]} {entry.offset} {entry.dtype} {entry.shape}"
    computed = getattr(entry.tensor, "identity", None)
    return computed or os.urandom(16).hex()


def _with_entries(
    model: str, checkpoints: Mapping[str, Checkpoint], entries: Mapping[str, Entry]
) -> Checkpoint:
    """One of the checkpoints with these entries; rows may come from the files of all of them."""
    own = checkpoints[model]
    if not entries:
        return own
    files = dict.fromkeys(own.files)
    if any(entry.file < 0 for entry in entries.values()):
        for other in checkpoints.values():
            files |= dict.fromkeys(other.files)
    return replace(own, entries={**own.entries, **entries}, files=tuple(files))
