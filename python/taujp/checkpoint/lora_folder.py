"""Which folders hold a PEFT adapter, and the file of its factors."""

from __future__ import annotations

import os

from .entries import Checkpoint, CheckpointError
from .folder import KNOWN, read_safetensors_file, read_torch
from .lora_config import CONFIG

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def is_adapter(source: object) -> bool:
    """Whether it is the path of a folder with an adapter, and no whole model beside it."""
    if not isinstance(source, str | os.PathLike) or not os.path.isdir(source):
        return False
    names = set(os.listdir(source))
    return CONFIG in names and not names & set(KNOWN)


def open_factors(folder: str) -> Checkpoint:
    """The adapter's own tensors, under the names that PEFT gives them."""
    for name in WEIGHTS:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            read = read_safetensors_file if name.endswith(".safetensors") else read_torch
            return read(path, repr(folder))
    raise CheckpointError(
        f"LoRA: {folder!r} has {CONFIG} and none of {', '.join(WEIGHTS)}; copy or save it again"
    )


def base_and_adapter(path: str) -> tuple[str, str] | None:
    """("BASE", "ADAPTER") of the path "BASE+ADAPTER"; None where it is a path of its own."""
    if "+" not in path or os.path.lexists(path):
        return None
    places = [i for i, letter in enumerate(path) if letter == "+"]
    fitting = [i for i in places if os.path.exists(path[:i]) and is_adapter(path[i + 1 :])]
    return (path[: fitting[0]], path[fitting[0] + 1 :]) if fitting else None
