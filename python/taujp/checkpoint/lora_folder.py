"""Which folders hold a PEFT adapter, and the file of its factors."""

from __future__ import annotations

import os

from .entries import Checkpoint, CheckpointError
from .folder import KNOWN, read_safetensors_file, read_torch

CONFIG = "adapter_config.json"
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
    """("BASE", "ADAPTER") of the path "BASE+ADAPTER"; None where it is a path of its own.

    Raises: CheckpointError where one half is there and the other is not.
    """
    if "+" not in path or os.path.lexists(path):
        return None
    places = [i for i, letter in enumerate(path) if letter == "+"]
    halves = [(path[:i], path[i + 1 :]) for i in places]
    fitting = [(b, a) for b, a in halves if os.path.exists(b) and is_adapter(a)]
    if fitting:
        return fitting[0]
    for base, adapter in halves:
        if os.path.exists(base) or is_adapter(adapter):
            lacking = _lacking(base, adapter)
            raise CheckpointError(
                f"open_checkpoint: {path!r} is no file, and no BASE+ADAPTER: {lacking}"
            )
    return None


def _lacking(base: str, adapter: str) -> str:
    if not os.path.exists(base):
        return f"the adapter {adapter!r} is there, its base {base!r} is not"
    if not os.path.exists(adapter):
        return f"the base {base!r} is there, the adapter {adapter!r} is not"
    whole = os.path.exists(os.path.join(adapter, CONFIG))
    found = "holds a whole model" if whole else f"has no {CONFIG}"
    return f"{adapter!r} {found}; expected the folder that PEFT's save_pretrained writes"
