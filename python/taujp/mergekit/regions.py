"""From a configuration and its opened models to the outline of the output."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from taujp.checkpoint import Checkpoint
from taujp.merge.errors import MergeError

from .config import WHOLE, Configuration, Module, Slice, Source
from .layers import Tower, depth, numbered, place
from .models import Model
from .module_names import names_by_module
from .outline import Outline, Region
from .peer_method import PeerMethod
from .reference import ModelReference
from .tied_head import with_heads

# What stands before the layers, as far as names tell: it comes from the first slice.
BEFORE = re.compile(
    r"embed|wte|wpe|position|patch|class_token|cls_token|token_type|conv[12]\.|"
    r"ln_pre|layernorm_pre|pre_layernorm|pre_layrnorm|inv_freq|slopes"
)
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
        for tensor in _union(region.checkpoints):
            if within is None or tensor in within:
                names = (tensor,) * len(region.sources)
                outline.add(region, tensor, names, depth(tensor, found))

    def _stacked(self, outline: Outline, name: str, module: Module, scope: Collection[str]) -> None:
        """The module's layers from slices, one after the other; the rest from the outer slices."""
        within, last, number = set(scope), len(module.slices) - 1, 0
        regions = []
        for k, part in enumerate(module.slices):
            where = f"{name}.slices[{k}]".lstrip(".")
            region = self._region(outline, where, module, part, loose=k in (0, last))
            layers = [_tower(where, model, within) for model in region.models]
            number += self._add_layers(outline, where, region, layers, number)
            regions.append(region)
        tower = layers[0]
        for k, before in ((0, True), (last, False)):
            for tensor in _union(regions[k].checkpoints):
                inside = (numbered(tensor) or ("",))[0] == tower.prefix
                if tensor in within and not inside and bool(BEFORE.search(tensor)) == before:
                    outline.add(regions[k], tensor, (tensor,) * len(regions[k].sources))

    def _add_layers(
        self, outline: Outline, where: str, region: Region, towers: list[Tower], number: int
    ) -> int:
        """The layers of a slice, as the output's from `number` on; returns how many."""
        starts = [source.layers[0] for source in region.sources if source.layers]
        begin, end = region.sources[0].layers or (0, 0)
        for source, tower in zip(region.sources, towers, strict=True):
            if source.layers and source.layers[1] > tower.count:
                raise MergeError(
                    f"{where}: layer_range {list(source.layers)} of {source.model}, which has "
                    f"{tower.count} layers"
                )
        rests = [
            _rests(c, tower.prefix) for c, tower in zip(region.checkpoints, towers, strict=True)
        ]
        origin = self._origin(region)
        for i in range(end - begin):
            t = place(i, end - begin)
            every = dict.fromkeys(
                rest for k, of in enumerate(rests) for rest in of.get(starts[k] + i, ())
            )
            for rest in every:
                sources = [
                    f"{tower.prefix}{start + i}{rest}"
                    for tower, start in zip(towers, starts, strict=True)
                ]
                outline.add(region, f"{towers[0].prefix}{number + i}{rest}", sources, t)
            if (key := towers[origin].key) is not None:
                outline.layers.setdefault(key, []).append(starts[origin] + i)
        return end - begin

    def _origin(self, region: Region) -> int:
        """The source whose config the output's follows: the donor, or the first."""
        donor = self.config.models[0]
        return next((i for i, s in enumerate(region.sources) if s.model == donor), 0)

    def _region(
        self, outline: Outline, where: str, module: Module, part: Slice, *, loose: bool
    ) -> Region:
        """The sources of a slice, alike as far as heads and vocabularies go; no tensors yet."""
        base = part.base or self.config.base
        sources = part.sources
        references = [source.model for source in sources]
        if base is not None and base not in references and sources[0].layers is None:
            sources = (*sources, Source(base, None, {}))  # as mergekit does
            references.append(base)
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
        self.method.check_inputs(where, len(sources), position)
        models = tuple(self.models[reference] for reference in references)
        checkpoints = tuple(model.checkpoint for model in models)
        if loose:
            checkpoints, added = with_heads(checkpoints)
            outline.untied |= dict.fromkeys(added)
            checkpoints = self._aligned(models, checkpoints, base)
        region = Region(models, checkpoints, position, sources, part, module)
        outline.regions.append(region)
        return region

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
        outline.copied.update({name: (donor.checkpoint, name) for name in rest})
        if rest:
            outline.notes.append(
                f"{len(rest)} tensors are in none of the modules and are copied from "
                f"{donor.name}: {', '.join(rest[:3])}, ..."
            )


def _union(checkpoints: Iterable[Checkpoint]) -> list[str]:
    return list(dict.fromkeys(name for c in checkpoints for name in c.entries))


def _tower(where: str, model: Model, within: set[str]) -> Tower:
    """The one tower of a module."""
    prefixes = {parts[0] for name in within if (parts := numbered(name))}
    found = [tower for tower in model.towers.values() if tower.prefix in prefixes]
    if len(found) != 1:
        towers = ", ".join(f"{t.prefix}0-{t.count - 1}" for t in found) or "none"
        raise MergeError(
            f"{where}: {model.name} has as towers of layers: {towers}; slices need exactly one: "
            f"name each under modules by the beginning of its tensors' names"
        )
    return found[0]


def _rests(checkpoint: Checkpoint, prefix: str) -> dict[int, list[str]]:
    """What follows the numbers of a tower's layers, by the number."""
    found: dict[int, list[str]] = {}
    for name in checkpoint.entries:
        parts = numbered(name)
        if parts and parts[0] == prefix:
            found.setdefault(parts[1], []).append(parts[2])
    return found
