"""How a configuration names a model: `path`, `path@revision`, `path+adapter`, or their parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taujp.merge.errors import MergeError

from .reading import mapping_of, text_of


@dataclass(frozen=True)
class Place:
    """A folder, a file, or a model's name on a hub, with the revision asked for."""

    path: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.path}@{self.revision}" if self.revision else self.path


@dataclass(frozen=True)
class ModelReference:
    """A model, perhaps with a LoRA adapter on it; its text is what the configuration says.

    architecture: the name to take it by instead of its config's, where the configuration says one.
    """

    model: Place
    adapter: Place | None = None
    architecture: str | None = None

    def __str__(self) -> str:
        return f"{self.model}+{self.adapter}" if self.adapter else str(self.model)


def model_reference(where: str, value: Any) -> ModelReference:
    """Parse what stands at `where`; a path that exists is taken whole, with its + and @."""
    if isinstance(value, Mapping):
        keys = ("model", "lora", "override_architecture")
        parts = mapping_of(where, value, keys)
        if "model" not in parts:
            raise MergeError(f"{where} is {dict(parts)!r:.80}; expected the key model in it")
        if isinstance(parts["model"], Mapping) and "model" in parts["model"]:
            return model_reference(f"{where}.model", parts["model"])
        adapter = parts.get("lora")
        other = parts.get("override_architecture")
        return ModelReference(
            _place(f"{where}.model", parts["model"]),
            None if adapter is None else _place(f"{where}.lora", adapter),
            None if other is None else text_of(f"{where}.override_architecture", other),
        )
    text = text_of(where, value)
    if os.path.exists(text):
        return ModelReference(_here(text))
    model, plus, adapter = text.partition("+")
    if "+" in adapter or (plus and not (model and adapter)):
        raise MergeError(f"{where} is {text!r}; expected path, or path+adapter with one +")
    return ModelReference(_place(where, model), _place(where, adapter) if plus else None)


def _place(where: str, value: Any) -> Place:
    if isinstance(value, Mapping):
        parts = mapping_of(where, value, ("path", "revision"))
        revision = parts.get("revision")
        revision = None if revision is None else text_of(f"{where}.revision", str(revision))
        path = text_of(f"{where}.path", parts.get("path"))
        return Place(path, revision) if revision else _here(path)
    text = text_of(where, value)
    path, at, revision = text.partition("@")
    if os.path.exists(text) or not at:
        return _here(text)
    if "@" in revision or not path or not revision:
        raise MergeError(f"{where} is {text!r}; expected path, or path@revision with one @")
    return Place(path, revision)


def _here(path: str) -> Place:
    """One spelling for a path, so that `llama/` and `llama` are one model."""
    return Place(os.path.normpath(path))
