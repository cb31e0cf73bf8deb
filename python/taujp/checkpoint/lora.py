"""PEFT adapters as checkpoints: theta0 + scale B A, worked out one parameter at a time."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from .dtypes import FLOATING
from .entries import Checkpoint, CheckpointError
from .lora_adapter import adapter_entries
from .lora_folder import is_adapter
from .opening import open_checkpoint


def open_adapted(
    base: Any,
    adapter: str | os.PathLike[str],
    *,
    label: str | None = None,
    dtype: str | None = None,
) -> Checkpoint:
    """The model that a PEFT adapter makes of its base, without making it: a view of both.

    theta = theta0 + scale B A where the adapter has factors B [outputs, rank], A [rank, inputs],
    with scale alpha / rank (rsLoRA: alpha / sqrt(rank)), rounded from float64; its own numbers
    where it holds a whole parameter (modules_to_save, biases); the base's for all the rest. Such a
    tensor is worked out when it is read, and forgotten again: memory is one parameter.

    Merged with base=theta0 by `merge_many` its task vector is scale B A itself, whatever the dtype.
    `merge_many([adapter], [c], base)` and "BASE+ADAPTER" as a path come to this function.

    Args:
      base: theta0, anything that `open_checkpoint` takes.
      adapter: PEFT's folder: adapter_config.json with adapter_model.safetensors or .bin.
      label: what errors call it.
      dtype: "F32", "BF16" or "F16" for the parameters that the adapter changes; default: as the
        base has them, which is what PEFT's merge_and_unload() gives.

    Raises: CheckpointError for anything that is no plain LoRA (DoRA, say), by its name; for factors
      of wrong shapes; for an adapter of another model.
    Source: Hu et al. 2021, arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732 (rsLoRA).
    """
    folder = os.fspath(adapter)
    if not is_adapter(folder):
        raise CheckpointError(
            f"open_adapted: {folder!r} is no folder of a PEFT adapter; expected "
            f"adapter_config.json and adapter_model.safetensors or .bin"
        )
    if dtype is not None and dtype not in FLOATING:
        raise CheckpointError(f"open_adapted: dtype is {dtype!r}; expected F32, F16 or BF16")
    theta0 = open_checkpoint(base)
    changed, factors = adapter_entries(folder, theta0, dtype)
    entries = dict(theta0.entries)
    for name in entries:
        first = theta0.ties.get(name, name)  # tied names are one tensor
        if first in changed:
            entries[name] = replace(changed[first], name=name)
    return replace(
        theta0,
        label=label or f"{theta0.label} + {folder!r}",
        entries=entries,
        files=(*theta0.files, *factors.files),
    )
