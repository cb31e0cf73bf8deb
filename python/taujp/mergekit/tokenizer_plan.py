"""Which tokens the output has, and which row of each model's embeddings each of them is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from taujp.merge.errors import MergeError

from .output_config import read_config, vocabulary_size
from .tokenizer_change import united, with_tokens, within
from .tokenizer_file import (
    Files,
    Tokenizer,
    plain_entry,
    read_tokenizer,
    role_tokens,
    same_tokenizer,
)
from .tokenizer_spec import TokenizerSpec, TokenRow

_NO_LIMIT = 1 << 62  # rows of a model whose config.json does not say


@dataclass(frozen=True)
class ChosenRow:
    """The row that the configuration chose for a token: `row` of `model`, zeros where it is None.

    force: models that have the token take it too.
    """

    model: str | None
    row: int
    force: bool


@dataclass(frozen=True)
class TokenizerPlan:
    """The output's vocabulary, [tokens] ids, and what becomes of each model's rows.

    files: what to write of the tokenizer, {path below the output: a file's path, or bytes}.
    gathers: for each model, int64 [tokens]: the row of its embedding, -1 where it lacks the token.
    rows: how many rows each model has, as its config.json says.
    vocab_size: rows of the output's embeddings: tokens, and padding up to the multiple asked for.
    roles: {role, "eos_token": its id in the output}.
    chosen: the rows that the configuration chose, by the token's id in the output.
    notes: what users should be told, a sentence each.
    """

    base: str
    files: Files
    vocabulary: Mapping[str, int]
    gathers: Mapping[str, np.ndarray]
    rows: Mapping[str, int]
    vocab_size: int
    roles: Mapping[str, int]
    chosen: Mapping[int, ChosenRow] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Rows of the output that belong to tokens; what follows up to vocab_size is padding."""
        return len(self.gathers[self.base])

    def new_id(self, number: int) -> int | None:
        """The output's id of the token that has this id in the base; None where it is gone."""
        found = np.flatnonzero(self.gathers[self.base] == number)
        return int(found[0]) if number >= 0 and len(found) else None


def plan_tokenizer(
    spec: TokenizerSpec | str, models: Mapping[str, str], base: str | None = None
) -> TokenizerPlan:
    """Build the output's tokenizer and say where its tokens are in each model; reads no weights.

    Tokens that are not in the tokenizer's source are added to it at its end, those of `tokens` too.
    A model without a tokenizer is taken to have the base's, as its notes say.

    Args:
      spec: from `tokenizer_spec`, or only a source: "base", "union", a model or a folder.
      models: {model as the configuration names it: its folder}, in the configuration's order.
      base: the base model among `models`; default: the first of them.

    Raises: MergeError for a source or token that no model has, and damaged tokenizers.
    """
    spec = TokenizerSpec(spec) if isinstance(spec, str) else spec
    base = next(iter(models)) if base is None else base
    rows = {model: vocabulary_size(read_config(folder)) for model, folder in models.items()}
    limits = {model: _NO_LIMIT if n is None else n for model, n in rows.items()}
    own, notes = _tokenizers(models, base)
    own[base] = within(own[base], limits[base])
    tokenizer = _output_tokenizer(spec, models, base, own, limits)
    tokenizer = with_tokens(tokenizer, [plain_entry(t) for t in spec.tokens])
    tokens = max(tokenizer.vocabulary.values()) + 1
    gathers = {m: _gather(tokenizer, own[m], limits[m]) for m in models}
    return TokenizerPlan(
        base=base,
        files=tokenizer.files,
        vocabulary=tokenizer.vocabulary,
        gathers=gathers,
        rows={model: n for model, n in rows.items() if n is not None},
        vocab_size=_padded(tokens, spec.pad_to_multiple_of),
        roles=_roles(tokenizer),
        chosen=_chosen(spec, tokenizer, own, gathers),
        notes=(*notes, *_missing(spec, tokenizer, gathers)),
    )


def _tokenizers(models: Mapping[str, str], base: str) -> tuple[dict[str, Tokenizer], list[str]]:
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


def _output_tokenizer(
    spec: TokenizerSpec,
    models: Mapping[str, str],
    base: str,
    own: Mapping[str, Tokenizer],
    limits: Mapping[str, int],
) -> Tokenizer:
    if spec.source == "base":
        return own[base]
    if spec.source == "union":
        order = [base, *(model for model in models if model != base)]
        return united(own[base], [(own[model], limits[model]) for model in order])
    folder = models.get(spec.source, spec.source)
    if not os.path.isdir(folder):
        raise MergeError(
            f"tokenizer: the source is {spec.source!r}; expected base, union, one of the models "
            f"({', '.join(models)}) or a folder with a tokenizer"
        )
    found = read_tokenizer(folder)
    if found is None:
        raise MergeError(f"tokenizer: the source {spec.source!r} holds no tokenizer")
    return found


def _gather(tokenizer: Tokenizer, own: Tokenizer, rows: int) -> np.ndarray:
    """int64 [tokens]: where each of the tokenizer's tokens is in a model of so many rows, or -1."""
    gather = np.full(max(tokenizer.vocabulary.values()) + 1, -1, np.int64)
    numbers = np.fromiter(tokenizer.vocabulary.values(), np.int64, len(tokenizer.vocabulary))
    places = (own.vocabulary.get(token, -1) for token in tokenizer.vocabulary)
    gather[numbers] = np.fromiter(places, np.int64, len(numbers))
    gather[gather >= rows] = -1
    return gather


def _padded(tokens: int, multiple: int | None) -> int:
    return tokens if multiple is None else -(-tokens // multiple) * multiple


def _roles(tokenizer: Tokenizer) -> dict[str, int]:
    named = {role: role_tokens(role, value) for role, value in tokenizer.settings.items()}
    return {
        role: tokenizer.vocabulary[tokens[0]]
        for role, tokens in named.items()
        if role.endswith("_token") and tokens and tokens[0] in tokenizer.vocabulary
    }


def _chosen(
    spec: TokenizerSpec,
    tokenizer: Tokenizer,
    own: Mapping[str, Tokenizer],
    gathers: Mapping[str, np.ndarray],
) -> dict[int, ChosenRow]:
    return {
        tokenizer.vocabulary[token]: _chosen_row(
            token, row, tokenizer.vocabulary[token], own, gathers
        )
        for token, row in spec.tokens.items()
        if row.kind != "default"
    }


def _chosen_row(
    token: str,
    wanted: TokenRow,
    number: int,
    own: Mapping[str, Tokenizer],
    gathers: Mapping[str, np.ndarray],
) -> ChosenRow:
    if wanted.kind == "zero":
        return ChosenRow(None, -1, wanted.force)
    where = f"tokenizer.tokens[{token!r}]"
    if wanted.model not in own:
        raise MergeError(
            f"{where}: its source {wanted.model!r} is none of the models: {', '.join(own)}"
        )
    if wanted.kind == "model":
        row = int(gathers[wanted.model][number])
    elif wanted.token is not None:
        row = own[wanted.model].vocabulary.get(wanted.token, -1)
    else:
        row = -1 if wanted.token_id is None else wanted.token_id
    if row < 0:
        missing = token if wanted.kind == "model" else wanted.token
        raise MergeError(f"{where}: {wanted.model} has no token {missing!r} to take the row of")
    return ChosenRow(wanted.model, row, wanted.force)


def _missing(
    spec: TokenizerSpec, tokenizer: Tokenizer, gathers: Mapping[str, np.ndarray]
) -> list[str]:
    """What to tell of tokens that no model has a row for."""
    nowhere = np.all([gather < 0 for gather in gathers.values()], axis=0)
    tokens = [t for t, i in tokenizer.vocabulary.items() if nowhere[i] and t not in spec.tokens]
    if not tokens:
        return []
    shown = ", ".join(repr(token) for token in tokens[:5])
    more = ", ..." if len(tokens) > 5 else ""
    return [f"{len(tokens)} tokens are in no model; their embeddings are zero: {shown}{more}"]
