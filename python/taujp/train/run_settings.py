"""What a run is made of, as JSON: told in its checkpoint, compared with a saved state's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from taujp.train.recipe import Recipe

NOT_COMPARED = ("save_every",)  # changes no weight


def told_settings(
    mode: str,
    recipe: Recipe,
    *,
    penalties: Sequence[Any] = (),
    trainable: str | Sequence[str] | None,
    rank: int | None,
    configuration: Mapping[str, Any] | None,
    **more: Any,
) -> dict[str, Any]:
    """What a checkpoint's metadata say of its training; `more` is what one kind has besides."""
    return {
        "mode": mode,
        **more,
        "recipe": asdict(recipe),
        "penalties": [describe_penalty(penalty) for penalty in penalties],
        "trainable": trainable,
        "rank": rank,
        "configuration": dict(configuration or {}),
    }


def describe_penalty(penalty: Any) -> dict[str, Any]:
    """Its name, weight and public attributes; of control sets the names, of factors settings."""
    public = {name: value for name, value in vars(penalty).items() if not name.startswith("_")}
    told = {name: _plain(getattr(value, "settings", value)) for name, value in public.items()}
    named = {"name": penalty.name, "weight": penalty.weight}
    return {**named, **{name: value for name, value in told.items() if value is not None}}


def _plain(value: Any) -> Any:
    """What JSON can hold as it is; of a mapping of anything else its keys; else None."""
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        parts = [_plain(part) for part in value]
        return None if None in parts else parts
    if isinstance(value, Mapping):
        known = {str(key): _plain(part) for key, part in value.items()}
        return sorted(known) if None in known.values() else known
    return None


def compared_settings(
    told: Mapping[str, Any],
    *,
    fabric: Any,
    train: Dataset[Any],
    encoder: nn.Module,
    head: nn.Module,
    chunk: int | None,
) -> dict[str, Any]:
    """`told`, and all else on which the bits of the weights depend."""
    recipe = {name: value for name, value in told["recipe"].items() if name not in NOT_COMPARED}
    return {
        **told,
        "recipe": recipe,
        "chunk": chunk,
        "training images": len(train),  # type: ignore[arg-type]
        "theta0": fingerprint(encoder),
        "head": fingerprint(head),
        "ranks": fabric.world_size,
        "precision": str(fabric.strategy.precision.precision),
    }


def fingerprint(module: nn.Module) -> str:
    """A short text that differs where any weight, buffer or name does."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
