"""From a configuration and its opened models to the outline of the output."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from taujp.checkpoint import Checkpoint
from taujp.merge.errors import MergeError

from .config import WHOLE, Configuration, Module, Slice, Source
from .layers import depth
from .models import Model
from .module_names import names_by_module
from .outline import Outline, Region
from .peer_method import PeerMethod
from .reference import ModelReference
from .stacking import add_ends, add_layers, tower_of, union_of_names
from .tied_head import with_heads

Alignment = Callable[[dict[str, Checkpoint], str | None], dict[str, Checkpoint]]


@dataclass(frozen=True)
class Planner:
    """Lays out one configuration; align: gives vocabularies' rows the output's order."""

    config: Configuration
    method: PeerMethod
    models: Mapping[ModelReference, Model]
    align: Alignment | None = None
    missing: str = "error"

    def outline(self) -> Outline:
        """Every tensor of the output. Raises MergeError, CheckpointError with all faults."""
        outline = Outline(missing=self.missing)
        donor = self.models[self.config.models[0]]
        names = dict.fromkeys(n for m in self.models.values() for n in m.checkpoint.entries)
        scopes = names_by_module(self.config.modules, names, donor.towers)
        for name, module in self.config.modules.items():
            if module.slices[0].sources[0].layers is None:
                self._whole(outline, name, module, scopes[name])
            else:
                self._stacked(outline, name, module, scopes[name])
        self._copy_rest(outline, donor, scopes)
        if outline.dropped:
            outline.notes.append(
                f"{len(outline.dropped)} buffers that models work out themselves are not in all "
                f"of them and are left out: {', '.join(outline.dropped[:3])}, ..."
            )
        outline.check()
        return outline

    def _whole(self, outline: Outline, name: str, module: Module, scope: Collection[str]) -> None:
        """All of the module's tensors, merged of whole models."""
        region = self._region(outline, name or "models", module, module.slices[0], loose=True)
        found = region.models[region.first].towers
        within = None if name == WHOLE else set(scope)
        for tensor in union_of_names(region.checkpoints):
            if within is None or tensor in within:
                names = (tensor,) * len(region.sources)
                outline.add(region, tensor, names, depth(tensor, found))

    def _stacked(self, outline: Outline, name: str, module: Module, scope: Collection[str]) -> None:
        """The module's layers from slices, one after the other; the rest from the outer slices."""
        within, last, number = set(scope), len(module.slices) - 1, 0
        donor = self.config.models[0]
        tower = tower_of(name or "slices", self.models[donor], within)
        regions = []
        for k, part in enumerate(module.slices):
            where = f"{name}.slices[{k}]".lstrip(".")
            region = self._region(outline, where, module, part, loose=k in (0, last))
            number += add_layers(outline, where, region, tower, number, donor)
            regions.append(region)
        add_ends(outline, regions[0], regions[last], tower, within)

    def _region(
        self, outline: Outline, where: str, module: Module, part: Slice, *, loose: bool
    ) -> Region:
        """The sources of a slice, alike as far as heads and vocabularies go; no tensors yet."""
        base = part.base or self.config.base
        sources = part.sources
        whole = sources[0].layers is None
        if whole and base is not None and base not in [source.model for source in sources]:
            sources = (*sources, Source(base, None, {}))  # as mergekit does
        position = self._position(where, base, [source.model for source in sources])
        models = tuple(self.models[source.model] for source in sources)
        checkpoints = tuple(model.checkpoint for model in models)
        if loose:
            checkpoints, added = with_heads(checkpoints)
            outline.untied |= dict.fromkeys(added)
            checkpoints = self._aligned(models, checkpoints, base)
        region = Region(models, checkpoints, position, sources, part, module)
        outline.regions.append(region)
        return region

    def _position(
        self, where: str, base: ModelReference | None, references: list[ModelReference]
    ) -> int | None:
        """Which of the sources is theta0, once it is clear that they suit the method."""
        if len(set(references)) < len(references):
            raise MergeError(f"{where}: a model is named twice; name each once")
        position = None
        if base is not None and self.method.base != "ignored":
            if base not in references:
                raise MergeError(
                    f"{where}: base_model {base} is not among its sources; {self.method.name} "
                    f"needs it there, with the layers that it contributes"
                )
            position = references.index(base)
        self.method.check_inputs(where, len(references), position)
        return position

    def _aligned(
        self,
        models: tuple[Model, ...],
        checkpoints: tuple[Checkpoint, ...],
        base: ModelReference | None,
    ) -> tuple[Checkpoint, ...]:
        if self.align is None:
            return checkpoints
        named = {m.name: c for m, c in zip(models, checkpoints, strict=True)}
        known = base is not None and str(base) in named
        found = self.align(named, str(base) if known else None)
        return tuple(found[model.name] for model in models)

    def _copy_rest(
        self, outline: Outline, donor: Model, scopes: Mapping[str, Collection[str]]
    ) -> None:
        """What no module names is the donor's."""
        if WHOLE in scopes:
            return
        named = {name for scope in scopes.values() for name in scope}
        rest = [name for name in donor.checkpoint.entries if name not in named]
        if not rest:
            return
        models = tuple(self.models.values())  # the donor first; its vocabulary's rows move too
        checkpoints, _ = with_heads([model.checkpoint for model in models])
        moved = self._aligned(models, checkpoints, self.config.base)[0]
        outline.copied.update({name: (moved, name) for name in rest})
        outline.notes.append(
            f"{len(rest)} tensors are in none of the modules and are copied from "
            f"{donor.name}: {', '.join(rest[:3])}, ..."
        )
