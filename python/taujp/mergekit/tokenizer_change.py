"""A tokenizer with more tokens, or without those that its model has no embedding for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from taujp.merge.errors import MergeError

from .tokenizer_file import (
    CONTENT,
    ROLES,
    SETTINGS,
    Tokenizer,
    next_id,
    plain_entry,
    read_json,
    role_tokens,
    without_earlier,
)


def with_tokens(tokenizer: Tokenizer, entries: Iterable[Mapping[str, Any]]) -> Tokenizer:
    """The tokenizer with these added tokens (entries of tokenizer.json but for their ids).

    One that the vocabulary has keeps its id; one that is added already stays as it is.
    """
    added, vocabulary = dict(tokenizer.added), dict(tokenizer.vocabulary)
    taken, number = set(vocabulary.values()), next_id(tokenizer.model_size, added)
    for entry in entries:
        token = entry["content"]
        if not token or token in added:
            continue
        if token not in vocabulary:
            if number in taken:
                raise MergeError(
                    f"tokenizer: {tokenizer.where!r} has holes among its ids, so that {token!r} "
                    f"would get the id {number} of another token; choose another tokenizer's source"
                )
            vocabulary[token] = number
            number += 1
        added[token] = {"id": vocabulary[token], **{k: v for k, v in entry.items() if k != "id"}}
    if added.keys() == tokenizer.added.keys():
        return tokenizer
    return _written(replace(tokenizer, vocabulary=vocabulary, added=added))


def united(base: Tokenizer, others: Iterable[tuple[Tokenizer, int]]) -> Tokenizer:
    """The base's tokenizer and all tokens of the others that their models have a row for.

    others: (tokenizer, rows of its model's embedding). Plain tokens come first, in the order of the
    models and then of their ids; then the added ones, with the settings of the first that has them.
    """
    plain: dict[str, None] = {}
    added: dict[str, Mapping[str, Any]] = {}
    for tokenizer, rows in {(id(t), rows): (t, rows) for t, rows in others}.values():
        for token, number in sorted(tokenizer.vocabulary.items(), key=lambda item: item[1]):
            if number >= rows:
                break
            if token in tokenizer.added:
                added.setdefault(token, tokenizer.added[token])
            else:
                plain.setdefault(token)
    new = [plain_entry(t) for t in plain if t not in added and t not in base.vocabulary]
    return with_tokens(base, [*new, *added.values()])


def within(tokenizer: Tokenizer, rows: int) -> Tokenizer:
    """The tokenizer without the tokens whose ids are beyond the rows of its model's embedding."""
    if max(tokenizer.vocabulary.values(), default=-1) < rows:
        return tokenizer
    kept = {token: number for token, number in tokenizer.vocabulary.items() if number < rows}
    added = {token: entry for token, entry in tokenizer.added.items() if token in kept}
    model = dict(tokenizer.content["model"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {token: i for token, i in model["vocab"].items() if token in kept}
    else:
        model["vocab"] = model["vocab"][:rows]
    if "merges" in model:
        prefix = model.get("continuing_subword_prefix") or ""
        model["merges"] = [merge for merge in model["merges"] if _possible(merge, prefix, kept)]
    content = {**tokenizer.content, "model": model}
    settings = _without_roles(tokenizer.settings, kept)
    files = dict(tokenizer.files)
    if SETTINGS in files:
        files[SETTINGS] = _json(settings)
    if ROLES in files:
        files[ROLES] = _json(_without_roles(read_json(tokenizer.where, ROLES, files[ROLES]), kept))
    return _written(
        replace(
            tokenizer, content=content, settings=settings, files=files, vocabulary=kept, added=added
        )
    )


def _possible(merge: str | list[str], prefix: str, kept: Mapping[str, int]) -> bool:
    """Whether a merge's two parts and what they make are all tokens; "a b" or ["a", "b"]."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return all(token in kept for token in (first, second, first + second.removeprefix(prefix)))


def _without_roles(settings: Mapping[str, Any], kept: Mapping[str, int]) -> dict[str, Any]:
    """Without roles (eos_token, ...) of tokens that are gone: loading would add them again."""
    return {
        role: value
        for role, value in settings.items()
        if all(token in kept for token in role_tokens(role, value))
    }


def _written(tokenizer: Tokenizer) -> Tokenizer:
    """With files that say what it is now."""
    entries = sorted(tokenizer.added.values(), key=lambda entry: int(entry["id"]))
    content = {**tokenizer.content, "added_tokens": entries}
    files = {**without_earlier(tokenizer.files), CONTENT: _json(content)}
    settings = tokenizer.settings
    if "added_tokens_decoder" in settings:
        decoder = {
            str(entry["id"]): {key: value for key, value in entry.items() if key != "id"}
            for entry in entries
        }
        settings = {**settings, "added_tokens_decoder": decoder}
        files[SETTINGS] = _json(settings)
    return replace(tokenizer, content=content, settings=settings, files=files)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()  # indented, large ones take seconds
