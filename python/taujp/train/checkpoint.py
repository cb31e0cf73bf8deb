"""A fine-tuned encoder's file: its weights, and in the metadata how they came about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from taujp.train.atomic_file import write_tensors


def save_finetuned(state: Mapping[str, Tensor], path: Path, settings: Mapping[str, Any]) -> None:
    """Writes a safetensors file with the run's settings under "taujp" in its metadata."""
    write_tensors(state, path, {"taujp": json.dumps(settings, default=str)})


def read_settings(path: str | Path) -> dict[str, Any]:
    """How a checkpoint of `finetune` was made: "mode", "recipe", "penalties", "configuration".

    A file that says nothing about it counts as an ordinary model: {"mode": "standard"}.
    """
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        told = (file.metadata() or {}).get("taujp", "{}")
    return {"mode": "standard", **json.loads(told)}
