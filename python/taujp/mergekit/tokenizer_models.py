"""The models' own tokenizers, and where in each model the tokens of the output's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from taujp.merge.errors import MergeError

from .output_config import read_config, vocabulary_size
from .tokenizer_file import Tokenizer, same_tokenizer
from .tokenizer_folder import read_tokenizer

NO_LIMIT = 1 << 62  # rows of a model whose config.json does not say


def rows_of(models: Mapping[str, str]) -> dict[str, int]:
    """The size of the vocabulary of each model, where its config.json says one."""
    alone = [model for model, folder in models.items() if not folder]
    if alone:
        raise MergeError(
            f"tokenizer: {', '.join(alone)} is no folder, so that its tokenizer is not known; name "
            f"the folder that it lies in"
        )
    found = {model: vocabulary_size(read_config(folder)) for model, folder in models.items()}
    return {model: n for model, n in found.items() if n is not None}


def tokenizers_of(models: Mapping[str, str], base: str) -> tuple[dict[str, Tokenizer], list[str]]:
    """Each model's tokenizer, that of the base where it has none; and what to tell of that."""
    if base not in models:
        raise MergeError(f"tokenizer: the base is {base!r}; expected one of {', '.join(models)}")
    found = _read(models)
    of_base = found[base]
    if of_base is None:
        raise MergeError(
            f"tokenizer: the base {base!r} has none ({models[base]!r} holds no tokenizer.json); "
            f"leave out tokenizer_source, or copy a tokenizer into its folder"
        )
    notes = [f"{m} has no tokenizer; taken to be {base}'s" for m, own in found.items() if not own]
    return {model: own or of_base for model, own in found.items()}, notes


def _read(models: Mapping[str, str]) -> dict[str, Tokenizer | None]:
    """Each model's tokenizer; equal files are read once, since a vocabulary takes 100 MB."""
    read: dict[bytes, Tokenizer | None] = {}
    found: dict[str, Tokenizer | None] = {}
    for model, folder in models.items():
        key = same_tokenizer(folder)
        if key not in read:
            read[key] = read_tokenizer(folder)
        found[model] = read[key]
    return found


def gathers_of(
    tokenizer: Tokenizer, own: Mapping[str, Tokenizer], limits: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """For every model, int64 [tokens]: its row of each token, or -1; equal ones are made once."""
    made: dict[tuple[int, int], np.ndarray] = {}
    found = {}
    for model, limit in limits.items():
        key = (id(own[model]), limit)
        if key not in made:
            made[key] = _gather(tokenizer, own[model], limit)
        found[model] = made[key]
    return found


def _gather(tokenizer: Tokenizer, own: Tokenizer, rows: int) -> np.ndarray:
    """int64 [tokens]: where each of the tokenizer's tokens is in a model of so many rows, or -1."""
    gather = np.full(max(tokenizer.vocabulary.values()) + 1, -1, np.int64)
    numbers = np.fromiter(tokenizer.vocabulary.values(), np.int64, len(tokenizer.vocabulary))
    places = (own.vocabulary.get(token, -1) for token in tokenizer.vocabulary)
    gather[numbers] = np.fromiter(places, np.int64, len(numbers))
    gather[gather >= rows] = -1
    return gather


def tokens_beyond(own: Mapping[str, Tokenizer], limits: Mapping[str, int]) -> list[str]:
    """What to tell of tokens that their own model has no row for."""
    notes = []
    for model, tokenizer in own.items():
        beyond = [t for t, number in tokenizer.vocabulary.items() if number >= limits[model]]
        if beyond:
            notes.append(
                f"{len(beyond)} tokens of {model} are beyond the {limits[model]} rows of its "
                f"embedding, and count as missing: {shown(beyond)}"
            )
    return notes


def shown(tokens: Sequence[str]) -> str:
    """The first five of them."""
    return ", ".join(repr(token) for token in tokens[:5]) + (", ..." if len(tokens) > 5 else "")
