"""The models that a configuration names, opened: tensors, config, towers of layers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from taujp.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from taujp.merge.errors import MergeError

from .folders import find_place
from .layers import Tower, towers
from .output_config import read_config
from .reference import ModelReference


@dataclass(frozen=True)
class Model:
    """A model as the configuration names it; folder: without its adapter, if it has one."""

    name: str
    checkpoint: Checkpoint
    config: Mapping[str, Any]
    folder: str | None

    @cached_property
    def towers(self) -> dict[str, Tower]:
        """Its towers of layers by the prefix of their names."""
        return towers(self.checkpoint.entries, self.config)


def open_models(
    references: Iterable[ModelReference], cache: str | os.PathLike[str] | None = None
) -> dict[ModelReference, Model]:
    """Open every model; all that cannot be opened is listed in one error."""
    found, faults = {}, []
    for reference in references:
        try:
            found[reference] = _open(reference, cache)
        except (MergeError, CheckpointError) as error:
            faults.append(str(error))
    if faults:
        raise MergeError("\n".join(faults))
    return found


def check_architectures(models: Iterable[Model], *, allowed: bool) -> None:
    """Refuse to mix architectures, unless that is `allowed`; a model without a config has none."""
    by_name: dict[str, list[str]] = {}
    for model in models:
        if kinds := model.config.get("architectures") or model.config.get("model_type"):
            by_name.setdefault(str(kinds), []).append(model.name)
    if len(by_name) > 1 and not allowed:
        lines = "".join(f"\n  {kind}: {', '.join(names)}" for kind, names in by_name.items())
        raise MergeError(
            f"the models have different architectures:{lines}\nmerge models of one architecture, "
            f"or say --allow-crimes (allow_crimes=True) where you know that their tensors match"
        )


def _open(reference: ModelReference, cache: str | os.PathLike[str] | None) -> Model:
    place, name = find_place(reference.model, cache), str(reference)
    folder = place if os.path.isdir(place) else None
    if reference.adapter is None:
        checkpoint = open_checkpoint(place, label=name)
    else:
        from taujp.checkpoint import open_adapted

        checkpoint = open_adapted(place, find_place(reference.adapter, cache), label=name)
    config = _config(folder)
    if config and reference.architecture is not None:
        config = {**config, "architectures": [reference.architecture]}
    return Model(name, checkpoint, config, folder)


def _config(folder: str | None) -> dict[str, Any]:
    has_one = folder is not None and os.path.exists(os.path.join(folder, "config.json"))
    return read_config(str(folder)) if has_one else {}
