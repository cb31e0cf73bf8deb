"""The keys of each part of a configuration; what mergekit passes over is told, not refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from taujp.merge.errors import MergeError

from .reading import mapping_of

Part = tuple[str, Mapping[str, Any], Collection[str]]  # where it stands, what it holds, its keys

WHOLE_KEYS = (
    "merge_method", "models", "slices", "modules", "base_model", "parameters", "dtype",
    "out_dtype", "tokenizer_source", "tokenizer", "chat_template",
)  # fmt: skip
MODULE_KEYS = ("models", "slices", "parameters")
MODEL_KEYS = ("model", "parameters")
SLICE_KEYS = ("sources", "base_model", "parameters", "residual_weight")  # the last without effect
SOURCE_KEYS = ("model", "layer_range", "parameters")


def part_of(where: str, value: Any, keys: Collection[str]) -> Mapping[str, Any]:
    """A part of a configuration; MergeError for a key that looks like one of `keys` misspelt."""
    found = mapping_of(where, value)
    wrong = [key for key in found if key not in keys and is_misspelt(key, keys)]
    if wrong:
        raise MergeError(
            f"{where} has {', '.join(map(repr, wrong))}; its keys are {', '.join(keys)}"
        )
    return found


def is_misspelt(word: str, known: Collection[str]) -> bool:
    """Whether it is nearly one of the known words, or the beginning of one."""
    from difflib import get_close_matches

    begun = len(word) >= 4 and any(key.startswith(word) for key in known)
    return begun or bool(get_close_matches(word, known, n=1, cutoff=0.75))


def stray_keys(document: Mapping[str, Any], parameters: Collection[str]) -> Iterator[str]:
    """A sentence for each part with keys that mean nothing to mergekit either.

    parameters: the names that have their place under a key of that name.
    """
    for where, part, keys in _parts(document):
        strays = [key for key in part if key not in keys]
        if strays:
            lost = [key for key in strays if key in parameters]
            advice = f"; {', '.join(lost)} would count under parameters" if lost else ""
            yield f"{where} has {', '.join(strays)}, without effect (in mergekit too){advice}"


def _parts(document: Mapping[str, Any]) -> Iterator[Part]:
    """All of them; the document has been read, so that their kinds are as expected."""
    yield "configuration", document, WHOLE_KEYS
    yield from _inputs("", document)
    for name, module in (document.get("modules") or {}).items():
        yield f"modules.{name}", module, MODULE_KEYS
        yield from _inputs(f"modules.{name}.", module)


def _inputs(where: str, holder: Mapping[str, Any]) -> Iterator[Part]:
    for i, model in enumerate(holder.get("models") or ()):
        yield f"{where}models[{i}]", model, MODEL_KEYS
    for i, part in enumerate(holder.get("slices") or ()):
        yield f"{where}slices[{i}]", part, SLICE_KEYS
        for k, source in enumerate(part["sources"]):
            yield f"{where}slices[{i}].sources[{k}]", source, SOURCE_KEYS
