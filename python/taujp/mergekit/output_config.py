"""A model's config.json: what it says of the vocabulary, and what it says of an output."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from taujp.merge.errors import MergeError

if TYPE_CHECKING:
    from .tokenizer_plan import TokenizerPlan

_TOKEN_IDS = re.compile(r".*_token_ids?|(begin_)?suppress_tokens")
_A_LAYER_EACH = re.compile(r"layer|block")


def read_config(folder: str) -> dict[str, Any]:
    """A model's config.json; MergeError where it is missing or damaged."""
    return _read(folder, "config.json", "a folder as transformers saves a model")


def read_generation_config(folder: str) -> dict[str, Any] | None:
    """A model's generation_config.json; None where it has none."""
    if not os.path.isfile(os.path.join(folder, "generation_config.json")):
        return None
    return _read(folder, "generation_config.json", "what transformers saves")


def _read(folder: str, name: str, expected: str) -> dict[str, Any]:
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as stream:
            found = json.load(stream)
    except OSError as error:
        raise MergeError(
            f"config: cannot read {path!r} ({error.strerror}); expected {expected}"
        ) from None
    except ValueError as error:
        raise MergeError(
            f"config: {path!r} is damaged ({error}); download or save it again"
        ) from None
    if not isinstance(found, dict):
        raise MergeError(f"config: {path!r} holds a {type(found).__name__}; expected a mapping")
    return found


def vocabulary_size(config: Mapping[str, Any]) -> int | None:
    """The number of tokens, of the model or of its text part; None where there is no one number."""
    parts = _with_vocabulary(config)
    return int(parts[0]["vocab_size"]) if parts else None


def _with_vocabulary(config: Mapping[str, Any]) -> list[Any]:
    """The parts that have the vocabulary: the model itself, or the parts below it that agree."""
    if type(config.get("vocab_size")) is int:
        return [config]
    parts = [p for p in config.values() if isinstance(p, dict) and type(p.get("vocab_size")) is int]
    return parts if len({part["vocab_size"] for part in parts}) == 1 else []


def output_config(
    config: Mapping[str, Any],
    *,
    dtype: str | None = None,
    layers: Mapping[str, Sequence[int]] | None = None,
    tokenizer: TokenizerPlan | None = None,
    tied_head: bool | None = None,
) -> dict[str, Any]:
    """The donor's configuration, changed to what the output is.

    Args:
      dtype: "bfloat16", ... of the output.
      layers: {key of the number of layers, dotted ("text_config.num_hidden_layers"): for each
        output layer the donor's layer that it continues}; lists with an item a layer follow it.
      tokenizer: sets the vocabulary's size and the ids of special tokens.
      tied_head: sets tie_word_embeddings.

    Raises: MergeError where the configuration lacks a key of `layers`.
    """
    out = copy.deepcopy(dict(config))
    if dtype is not None:
        _set_dtype(out, dtype)
        if not {"dtype", "torch_dtype"} & out.keys():
            out["torch_dtype"] = dtype  # read by every version of transformers
    for key, kept in (layers or {}).items():
        _set_layers(out, key, kept)
    if tokenizer is not None:
        for part in _with_vocabulary(out):
            part["vocab_size"] = tokenizer.vocab_size
        out = with_new_ids(out, tokenizer)
    if tied_head is not None:
        out["tie_word_embeddings"] = tied_head
    return out


def _set_dtype(config: dict[str, Any], dtype: str) -> None:
    for key, value in config.items():
        if key in ("dtype", "torch_dtype"):
            config[key] = dtype
        elif isinstance(value, dict) and key.endswith("config"):
            _set_dtype(value, dtype)


def _set_layers(config: dict[str, Any], dotted: str, kept: Sequence[int]) -> None:
    *parents, key = dotted.split(".")
    part: Any = config
    for parent in parents:
        part = part.get(parent) if isinstance(part, dict) else None
    before = part.get(key) if isinstance(part, dict) else None
    if type(before) is not int:
        raise MergeError(f"config: {dotted} is {before!r}; expected the number of layers")
    part[key] = len(kept)
    for name, value in part.items():
        if isinstance(value, list) and len(value) == before and _A_LAYER_EACH.search(name):
            part[name] = [value[layer] for layer in kept]


def with_new_ids(config: Mapping[str, Any], plan: TokenizerPlan) -> dict[str, Any]:
    """A configuration with its tokens' ids (eos_token_id, ...) as the output's tokenizer has them.

    A token that is gone gives way to the one that has its role in the tokenizer, or to None.
    """
    return {key: _new_value(key, value, plan) for key, value in config.items()}


def _new_value(key: str, value: Any, plan: TokenizerPlan) -> Any:
    if isinstance(value, dict):
        return with_new_ids(value, plan)
    if not _TOKEN_IDS.fullmatch(key):
        return value
    role = plan.roles.get(key.removesuffix("s").removesuffix("_id"))
    if isinstance(value, list):
        found = [new for number in value if (new := _new_id(number, plan)) is not None]
        return found or ([] if role is None else [role])
    new = _new_id(value, plan)
    return role if new is None and value is not None else new


def _new_id(number: Any, plan: TokenizerPlan) -> Any:
    """None where the token is gone; what is no token's id (-1) stays."""
    return plan.new_id(number) if type(number) is int and number >= 0 else number
