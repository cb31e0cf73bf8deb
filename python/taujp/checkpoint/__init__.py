"""Checkpoints: open any of the usual kinds, check that they agree, lay out what is to be written.

Nothing here imports torch before a tensor is asked for; adapters and pickled modules, which most
merges have none of, are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .agreement import Agreement, check_agreement
from .companions import companions
from .composed import composed
from .computed import computed_entry
from .entries import Checkpoint, CheckpointError, Entry, SourceFile, unchanged
from .integer_buffers import check_integer_buffers
from .layout import Layout, LayoutFile, layout_like, layout_sharded
from .opening import open_checkpoint
from .tensors import tensor_of, to_state_dict

if TYPE_CHECKING:
    from .lora import open_adapted as open_adapted
    from .module_file import open_module as open_module

_LATER = {"open_adapted": "lora", "open_module": "module_file"}

__all__ = [
    "Agreement",
    "Checkpoint",
    "CheckpointError",
    "Entry",
    "Layout",
    "LayoutFile",
    "SourceFile",
    "check_agreement",
    "check_integer_buffers",
    "companions",
    "composed",
    "computed_entry",
    "layout_like",
    "layout_sharded",
    "open_adapted",
    "open_checkpoint",
    "open_module",
    "tensor_of",
    "to_state_dict",
    "unchanged",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
