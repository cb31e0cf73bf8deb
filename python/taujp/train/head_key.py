"""What a zero-shot head depends on, as one digest: two heads with the same key are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

VERSION = 1  # of the formula in zero_shot.py: raise it when the same inputs give another head
IMAGE_TOWERS = ("visual.", "vision_model.", "visual_projection.")


def head_key(
    model: Any,
    tokenizer: Callable[[list[str]], Tensor],
    classes: Sequence[str],
    templates: Sequence[str],
    *,
    tag: str,
) -> str:
    """64 hex digits of everything that the head is computed from, and of the model's `tag`.

    The tokenizer counts by the numbers it gives the first caption of every class. Weights of the
    image tower do not count: fine-tuning it leaves the head as it was.
    """
    captions = [templates[0].format(name) for name in classes]
    told = {
        "version": VERSION,
        "model": type(model).__qualname__,
        "tag": tag,
        "text tower": text_tower_digest(model),
        "tokens": tensor_digest(tokenizer(captions)),
        "classes": list(classes),
        "templates": list(templates),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def text_tower_digest(model: Any) -> str:
    """64 hex digits of the names, dtypes, shapes and values of all but the image tower."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, Tensor) and not name.startswith(IMAGE_TOWERS):
            told = (name, value.dtype, tuple(value.shape), tensor_digest(value))
            digest.update(f"{told}\n".encode())
    return digest.hexdigest()


def tensor_digest(tensor: Tensor) -> str:
    """64 hex digits of the bytes of a tensor of any dtype and device."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    numbers: Any = flat.view(torch.uint8).numpy()
    return hashlib.sha256(numbers).hexdigest()
