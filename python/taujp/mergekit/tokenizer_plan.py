"""Which tokens the output has, and which row of each model's embeddings each of them is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from taujp.merge.errors import MergeError

from .tokenizer_change import united, with_tokens, within
from .tokenizer_file import Files, Tokenizer, plain_entry, role_tokens
from .tokenizer_folder import read_tokenizer
from .tokenizer_models import NO_LIMIT, gathers_of, rows_of, shown, tokenizers_of, tokens_beyond
from .tokenizer_spec import TokenizerSpec, TokenRow


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

    What a union or `tokens` adds comes after the ids of the tokenizer it is added to. As mergekit
    has it, these are matched in a text before it is split; the merges of BPE stay the base's. A
    model without a tokenizer is taken to have the base's, as the notes say.

    Args:
      spec: from `tokenizer_spec`, or only a source: "base", "union", a model or a folder.
      models: {model as the configuration names it: its folder}, in the configuration's order.
      base: the base model among `models`; default: the first of them.

    Raises: MergeError for a source or token that no model has, and damaged tokenizers.
    """
    spec = TokenizerSpec(spec) if isinstance(spec, str) else spec
    base = next(iter(models)) if base is None else base
    rows = rows_of(models)
    limits = {model: rows.get(model, NO_LIMIT) for model in models}
    own, notes = tokenizers_of(models, base)
    notes += tokens_beyond(own, limits)
    own[base] = within(own[base], limits[base])
    tokenizer = _output_tokenizer(spec, models, base, own, limits)
    new = [plain_entry(t) for t in spec.tokens if t not in tokenizer.vocabulary]
    tokenizer = with_tokens(tokenizer, new)
    tokens = max(tokenizer.vocabulary.values()) + 1
    gathers = gathers_of(tokenizer, own, limits)
    return TokenizerPlan(
        base=base,
        files=tokenizer.files,
        vocabulary=tokenizer.vocabulary,
        gathers=gathers,
        rows=rows,
        vocab_size=_padded(tokens, spec.pad_to_multiple_of),
        roles=_roles(tokenizer),
        chosen=_chosen(spec, tokenizer, own, gathers),
        notes=(*notes, *_missing(spec, tokenizer, gathers)),
    )


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
    """The configuration's rows, but for those of tokens that every model has and may keep."""
    found = {}
    for token, row in spec.tokens.items():
        number = tokenizer.vocabulary[token]
        if row.model and row.model not in own:
            raise MergeError(
                f"tokenizer.tokens[{token!r}]: its source {row.model!r} is none of the models: "
                f"{', '.join(own)}"
            )
        wanted = row.force or any(gather[number] < 0 for gather in gathers.values())
        if wanted and row.kind != "default":
            found[number] = _chosen_row(token, row, number, own, gathers)
    return found


def _chosen_row(
    token: str,
    wanted: TokenRow,
    number: int,
    own: Mapping[str, Tokenizer],
    gathers: Mapping[str, np.ndarray],
) -> ChosenRow:
    if wanted.kind == "zero":
        return ChosenRow(None, -1, wanted.force)
    if wanted.kind == "model":
        row = int(gathers[wanted.model][number])
    elif wanted.token is not None:
        row = own[wanted.model].vocabulary.get(wanted.token, -1)
    else:
        row = -1 if wanted.token_id is None else wanted.token_id
    if row < 0:
        missing = token if wanted.kind == "model" else wanted.token
        raise MergeError(
            f"tokenizer.tokens[{token!r}]: {wanted.model} has no token {missing!r} to take the row "
            f"of; name one that it has, or kind: zero"
        )
    return ChosenRow(wanted.model, row, wanted.force)


def _missing(
    spec: TokenizerSpec, tokenizer: Tokenizer, gathers: Mapping[str, np.ndarray]
) -> list[str]:
    """What to tell of tokens that no model has a row for."""
    nowhere = np.all([gather < 0 for gather in gathers.values()], axis=0)
    tokens = [t for t, i in tokenizer.vocabulary.items() if nowhere[i] and t not in spec.tokens]
    if not tokens:
        return []
    return [f"{len(tokens)} tokens are in no model; their embeddings are zero: {shown(tokens)}"]
