"""Layers out of slices, put one upon the other, and what stands before and after them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from taujp.checkpoint import Checkpoint
from taujp.merge.errors import MergeError

from .layers import Tower, numbered, place
from .models import Model
from .outline import Outline, Region
from .reference import ModelReference

# What stands before the layers, as far as names tell: it comes from the first slice.
BEFORE = re.compile(
    r"embed|wte|wpe|position|patch|class_token|cls_token|token_type|conv[12]\.|"
    r"ln_pre|layernorm_pre|pre_layernorm|pre_layrnorm|inv_freq|slopes"
)


def tower_of(where: str, model: Model, within: set[str]) -> Tower:
    """The one tower that these tensors have; MergeError where there are more, or none."""
    prefixes = {parts[0] for name in within if (parts := numbered(name))}
    found = [tower for tower in model.towers.values() if tower.prefix in prefixes]
    if len(found) != 1:
        towers = ", ".join(f"{t.prefix}0-{t.count - 1}" for t in found) or "none"
        raise MergeError(
            f"{where}: {model.name} has as towers of layers: {towers}; slices need exactly one: "
            f"name each under modules by the beginning of its tensors' names"
        )
    return found[0]


def add_layers(
    outline: Outline,
    where: str,
    region: Region,
    tower: Tower,
    number: int,
    donor: ModelReference,
) -> int:
    """The layers of a slice, as the output's from `number` on; returns how many.

    tower: the donor's, whose config the output's follows.
    """
    starts = [source.layers[0] for source in region.sources if source.layers]
    ends = [source.layers[1] for source in region.sources if source.layers]
    for end, model in zip(ends, region.models, strict=True):
        count = model.towers[tower.prefix].count if tower.prefix in model.towers else 0
        if end > count:
            raise MergeError(
                f"{where}: layer_range goes to {end}, {model.name} has {count} layers "
                f"{tower.prefix}0 and on"
            )
    rests = [_rests(checkpoint, tower.prefix) for checkpoint in region.checkpoints]
    origin = next((i for i, s in enumerate(region.sources) if s.model == donor), 0)
    length = ends[0] - starts[0]
    kept = outline.layers.setdefault(tower.key, []) if tower.key is not None else []
    for i in range(length):
        lists = (rests[k].get(start + i, ()) for k, start in enumerate(starts))
        for rest in dict.fromkeys(rest for found in lists for rest in found):
            sources = [f"{tower.prefix}{start + i}{rest}" for start in starts]
            outline.add(region, f"{tower.prefix}{number + i}{rest}", sources, place(i, length))
        # of a longer model's layers, the donor's last stands for them
        kept.append(min(starts[origin] + i, tower.count - 1))
    return length


def add_ends(outline: Outline, first: Region, last: Region, tower: Tower, within: set[str]) -> None:
    """What is in no layer: embeddings from the first slice, norm and head from the last."""
    for region, before in ((first, True), (last, False)):
        for name in union_of_names(region.checkpoints):
            inside = (numbered(name) or ("",))[0] == tower.prefix
            if name in within and not inside and bool(BEFORE.search(name)) == before:
                outline.add(region, name, (name,) * len(region.sources))


def union_of_names(checkpoints: Iterable[Checkpoint]) -> list[str]:
    """All names, each once, in the order of the checkpoints."""
    return list(dict.fromkeys(name for c in checkpoints for name in c.entries))


def _rests(checkpoint: Checkpoint, prefix: str) -> dict[int, list[str]]:
    """What follows the numbers of a tower's layers, by the number."""
    found: dict[int, list[str]] = {}
    for name in checkpoint.entries:
        parts = numbered(name)
        if parts and parts[0] == prefix:
            found.setdefault(parts[1], []).append(parts[2])
    return found
