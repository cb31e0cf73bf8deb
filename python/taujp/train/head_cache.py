"""Zero-shot heads on disk, so that the text tower runs once for a model and a list of classes."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from taujp.data.task import Task
from taujp.train.head_key import head_key, tensor_digest
from taujp.train.zero_shot import ZeroShotHead, zero_shot_head

DIGEST = "sha256 of the weight"


def default_folder() -> Path:
    """$TAUJP_CACHE/heads; without that variable the user's cache folder ($XDG_CACHE_HOME)."""
    told = os.environ.get("TAUJP_CACHE")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(told) if told else cache / "taujp") / "heads"


def cached_head(
    model: Any,
    tokenizer: Callable[[list[str]], Tensor],
    task: Task,
    *,
    tag: str,
    folder: str | Path | None = None,
) -> ZeroShotHead:
    """The task's head from `folder`, or computed and kept there; on the model's device.

    Args:
      tag: what the model was loaded by, as "ViT-B-32:openai".
      folder: default `default_folder()`; made where it is missing.

    A file that is damaged is computed again, one that cannot be written is not kept; both warn.
    Any number of processes may write the same head: each file appears whole, and is the same.
    Like `zero_shot_head(model, tokenizer, task.classes, task.templates)`.
    """
    key = head_key(model, tokenizer, task.classes, task.templates, tag=tag)
    path = (default_folder() if folder is None else Path(folder)) / f"{task.name}-{key}.safetensors"
    device = next(model.parameters()).device
    kept = _read(path, classes=len(task.classes))
    if kept is not None:
        return ZeroShotHead(kept.to(device))
    head = zero_shot_head(model, tokenizer, task.classes, task.templates)
    _write(path, head.weight)
    return head


def _read(path: Path, *, classes: int) -> Tensor | None:
    """The weight [classes, width] that is kept; None, with a warning, where it is not whole."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            weight, metadata = file.get_tensor("weight"), file.metadata() or {}
        if weight.dim() != 2 or len(weight) != classes or weight.dtype != torch.float32:
            raise ValueError(f"weight is {weight.dtype} {tuple(weight.shape)}")
        if metadata.get(DIGEST) != tensor_digest(weight):
            raise ValueError("its numbers are not those that were written")
    except (OSError, SafetensorError, ValueError) as error:
        warnings.warn(
            f"cached_head: '{path}' is damaged ({error}); the head is computed again and the file "
            "written anew",
            stacklevel=3,
        )
        return None
    kept: Tensor = weight
    return kept


def _write(path: Path, weight: Tensor) -> None:
    from safetensors.torch import save

    stored = weight.detach().cpu().contiguous()
    content = save({"weight": stored}, metadata={DIGEST: tensor_digest(stored)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        warnings.warn(
            f"cached_head: cannot keep '{path}': {error}; the head is computed again next time; "
            "set TAUJP_CACHE to a folder that can be written",
            stacklevel=3,
        )


def _replace(path: Path, content: bytes) -> None:
    """A file of its own for each writer, moved onto `path` when it is whole."""
    descriptor, partial = tempfile.mkstemp(prefix=".head-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
