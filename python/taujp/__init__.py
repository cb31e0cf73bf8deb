"""taujp: task arithmetic. Merge, edit and compare fine-tuned models.

Names are loaded when they are first used, so `import taujp` costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "merge_many": "taujp.merge.merge_many",
    "mergekit": "taujp.mergekit.run",
    "TaskVector": "taujp.merge.task_vector",
    "cosine_matrix": "taujp.merge.task_vector",
    "edit": "taujp.merge.edit",
    "methods": "taujp.merge.method",
    "linearize": "taujp.tangent",
    "TangentError": "taujp.tangent",
    "tau_jp": "taujp.tangent.metric",
    "tau_jp_matrix": "taujp.tangent.metric",
    "tau_jp_by_layer": "taujp.tangent.attribution",
    "tangent_features": "taujp.tangent.features",
    "gather_fisher": "taujp.statistics",
    "gather_grams": "taujp.statistics",
    "load_statistics": "taujp.statistics",
    "adamerging": "taujp.learn.adamerging",
    "regmean_plus_plus": "taujp.learn.regmean_plus_plus",
    "search": "taujp.searching.search",
    "inspect": "taujp.inspecting.inspect",
    "extract_lora": "taujp.merge.extract_lora",
    "compact": "taujp.merge.compact",
    "rebuild": "taujp.merge.compact",
    "open_checkpoint": "taujp.checkpoint",
    "open_adapted": "taujp.checkpoint",
    "CheckpointError": "taujp.checkpoint",
    "MergeError": "taujp.merge.errors",
}
__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:  # for editors and type checkers
    from taujp.checkpoint import CheckpointError as CheckpointError
    from taujp.checkpoint import open_adapted as open_adapted
    from taujp.checkpoint import open_checkpoint as open_checkpoint
    from taujp.inspecting.inspect import inspect as inspect
    from taujp.learn.adamerging import adamerging as adamerging
    from taujp.learn.regmean_plus_plus import regmean_plus_plus as regmean_plus_plus
    from taujp.merge.compact import compact as compact
    from taujp.merge.compact import rebuild as rebuild
    from taujp.merge.edit import edit as edit
    from taujp.merge.errors import MergeError as MergeError
    from taujp.merge.extract_lora import extract_lora as extract_lora
    from taujp.merge.merge_many import merge_many as merge_many
    from taujp.merge.method import methods as methods
    from taujp.merge.task_vector import TaskVector as TaskVector
    from taujp.merge.task_vector import cosine_matrix as cosine_matrix
    from taujp.mergekit.run import mergekit as mergekit
    from taujp.searching.search import search as search
    from taujp.statistics import gather_fisher as gather_fisher
    from taujp.statistics import gather_grams as gather_grams
    from taujp.statistics import load_statistics as load_statistics
    from taujp.tangent import TangentError as TangentError
    from taujp.tangent import linearize as linearize
    from taujp.tangent.attribution import tau_jp_by_layer as tau_jp_by_layer
    from taujp.tangent.features import tangent_features as tangent_features
    from taujp.tangent.metric import tau_jp as tau_jp
    from taujp.tangent.metric import tau_jp_matrix as tau_jp_matrix


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module 'taujp' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
