"""Which numbers in tensors' names count layers, and where a model's config says how many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NUMBERED = re.compile(r"(.*?\.)(\d+)(\..*)")
COUNTS = frozenset({
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "layers", "depth",
    "num_decoder_layers", "encoder_layers", "decoder_layers", "num_encoder_layers",
})  # fmt: skip
# Words of a config's keys, and what stands for them in the names of tensors.
TOWERS = {"text": ("text", "language"), "vision": ("vision", "visual", "vit"), "audio": ("audio",),
          "encoder": ("encoder",), "decoder": ("decoder",)}  # fmt: skip


@dataclass(frozen=True)
class Tower:
    """Layers `prefix`0. to `prefix`(count - 1).; key: where the config counts them, dotted."""

    prefix: str
    count: int
    key: str | None


def numbered(name: str) -> tuple[str, int, str] | None:
    """("model.layers.", 3, ".mlp.weight") of "model.layers.3.mlp.weight"; None without a number."""
    match = NUMBERED.fullmatch(name)
    return (match[1], int(match[2]), match[3]) if match else None


def towers(names: Iterable[str], config: Mapping[str, Any]) -> dict[str, Tower]:
    """The model's towers by their prefix: names that count 0 to n - 1, n as the config has it.

    Where the config counts no layers, every such pattern of two or more is a tower.
    """
    found: dict[str, set[int]] = {}
    for name in names:
        if parts := numbered(name):
            found.setdefault(parts[0], set()).add(parts[1])
    counts = dict(_counts(config))
    result = {}
    for prefix, numbers in found.items():
        n = len(numbers)
        if max(numbers) != n - 1 or not (n in counts.values() if counts else n > 1):
            continue
        result[prefix] = Tower(prefix, n, _key(prefix, n, counts))
    return result


def depth(name: str, found: Mapping[str, Tower]) -> float:
    """How deep a tensor's layer is: from 0 to 1, 1 in a tower of one; 0 outside of towers."""
    parts = numbered(name)
    if parts is None or parts[0] not in found:
        return 0.0
    return place(parts[1], found[parts[0]].count)


def place(layer: int, count: int) -> float:
    """Of layer 0 to count - 1."""
    return layer / (count - 1) if count > 1 else 1.0


def _counts(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, int]]:
    for key, value in config.items():
        if key in COUNTS and type(value) is int:
            yield above + key, value
        elif isinstance(value, Mapping) and key.endswith(("config", "cfg")):
            yield from _counts(value, f"{above}{key}.")


def _key(prefix: str, count: int, counts: Mapping[str, int]) -> str | None:
    """The count that names this tower, or else names none."""
    scores = {key: _score(key, prefix) for key, value in counts.items() if value == count}
    fitting = {key: score for key, score in scores.items() if score is not None}
    return max(fitting, key=fitting.__getitem__) if fitting else None


def _score(key: str, prefix: str) -> int | None:
    """How many words of the key are about this tower; None where one is about another."""
    about = [words for tower, words in TOWERS.items() if tower in key]
    fits = [any(word in prefix for word in words) for words in about]
    return len(fits) if all(fits) else None
