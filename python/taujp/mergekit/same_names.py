"""Models of one kind whose tensors are called with and without the model's own prefix."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from taujp.checkpoint import open_checkpoint

from .models import Model

# How BERT's checkpoints before 2020 call what a layer norm has.
OLD_NORMS = {r"LayerNorm\.gamma$": "LayerNorm.weight", r"LayerNorm\.beta$": "LayerNorm.bias"}


def with_names_of(donor: Model, model: Model) -> tuple[Model, str | None]:
    """The model under the donor's names where only a prefix differs, and a note of that.

    A transformer without its head is saved without "transformer." or "bert."; of all renamings the
    one counts by which most tensors have a name of the donor's, if it is more than without any,
    and than half of them.
    """
    theirs = donor.checkpoint.entries.keys()
    own = model.checkpoint.entries.keys()
    if own == theirs:
        return model, None
    best, most = None, max(len(own & theirs), min(len(own), len(theirs)) // 2)
    for rename in _renamings(theirs, own):
        matched = len({_renamed(name, rename) for name in own} & theirs)
        if matched > most:
            best, most = rename, matched
    if best is None:
        return model, None
    said = ", ".join(f"{pattern!r} -> {new!r}" for pattern, new in best.items())
    checkpoint = open_checkpoint(model.checkpoint, rename=best)
    return replace(model, checkpoint=checkpoint), f"{model.name}: names as {donor.name}'s, {said}"


def _renamings(theirs: Collection[str], own: Collection[str]) -> Iterator[dict[str, str]]:
    norms = OLD_NORMS if any(name.endswith(("LayerNorm.gamma", ".beta")) for name in own) else {}
    if norms:
        yield norms
    for prefix in _prefixes(theirs):
        yield {"^": prefix, **norms}
    for prefix in _prefixes(own):
        yield {f"^{re.escape(prefix)}": "", **norms}


def _prefixes(names: Collection[str]) -> list[str]:
    return list(dict.fromkeys(name.split(".")[0] + "." for name in names if "." in name))


def _renamed(name: str, rename: dict[str, str]) -> str:
    for pattern, new in rename.items():
        name = re.sub(pattern, new, name)
    return name
