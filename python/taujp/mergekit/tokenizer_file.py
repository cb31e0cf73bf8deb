"""A model's tokenizer: tokenizer.json and the files around it, read by themselves."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from taujp.merge.errors import MergeError

CONTENT, SETTINGS, ROLES = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
TEMPLATE = "chat_template.jinja"
# What some tokenizer classes read instead; void as soon as tokenizer.json is changed.
_EARLIER = (
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "*.tiktoken", "*.bpe",
    "tokenizer.model", "spiece.model", "sentencepiece*.model", "tokenizer.model.v*",
)  # fmt: skip
_PARTS = (CONTENT, SETTINGS, ROLES, TEMPLATE, *_EARLIER)
_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Tokenizer:
    """`vocabulary`: all tokens' ids; `added`: those that are matched before the model sees a text.

    content, settings: tokenizer.json and tokenizer_config.json, never changed in place. files: what
    to write for it, {name: a file's path, or bytes}.
    """

    where: str
    content: Mapping[str, Any]
    settings: Mapping[str, Any]
    files: Files
    vocabulary: Mapping[str, int]
    added: Mapping[str, Mapping[str, Any]]

    @property
    def model_size(self) -> int:
        """Tokens of the model itself, without the added ones."""
        return len(self.content["model"]["vocab"])


def tokenizer_files(folder: str) -> dict[str, str]:
    """{name: path} of the files in the folder that belong to a tokenizer."""
    names = sorted(os.listdir(folder))
    mine = [n for n in names if any(fnmatch.fnmatchcase(n, part) for part in _PARTS)]
    return {name: os.path.join(folder, name) for name in mine}


def same_tokenizer(folder: str) -> bytes:
    """Equal for folders whose tokenizers are of equal files."""
    digest = hashlib.sha256()
    for name, path in tokenizer_files(folder).items() if os.path.isdir(folder) else ():
        digest.update(name.encode() + b"\0" + hashlib.sha256(bytes_of(path)).digest())
    return digest.digest()


def tokenizer_of(where: str, files: Files) -> Tokenizer:
    """The tokenizer that these files make; errors call it `where`."""
    try:
        return _tokenizer(where, files)
    except MergeError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise MergeError(
            f"tokenizer: the files of {where!r} are not as the tokenizers library writes them "
            f"({type(error).__name__}: {error}); save it again"
        ) from error


def _tokenizer(where: str, files: Files) -> Tokenizer:
    content = read_json(where, CONTENT, files[CONTENT])
    settings = read_json(where, SETTINGS, files[SETTINGS]) if SETTINGS in files else {}
    vocabulary = _model_vocabulary(where, content)
    entries = content.get("added_tokens") or []
    added = {entry["content"]: entry for entry in sorted(entries, key=lambda e: int(e["id"]))}
    vocabulary.update({token: int(entry["id"]) for token, entry in added.items()})
    for token, flags in _named_elsewhere(where, files, settings):
        if token not in vocabulary:
            number = next_id(len(content["model"]["vocab"]), added)
            added[token] = {"id": number, "content": token, **_FLAGS, **flags}
            vocabulary[token] = number
    return Tokenizer(where, content, settings, files, vocabulary, added)


def read_json(where: str, name: str, file: str | bytes) -> dict[str, Any]:
    """What a file of a tokenizer holds; MergeError where it is damaged."""
    try:
        found = json.loads(bytes_of(file))
    except ValueError as error:
        raise MergeError(
            f"tokenizer: {name} of {where!r} is damaged ({error}); download or save it again"
        ) from None
    if not isinstance(found, dict):
        raise MergeError(f"tokenizer: {name} of {where!r} holds no mapping; save it again")
    return found


def next_id(model_size: int, added: Mapping[str, Mapping[str, Any]]) -> int:
    """The id that the tokenizers library gives to the next token that is added."""
    last = max((int(entry["id"]) for entry in added.values()), default=-1)
    return max(last + 1, model_size)


def plain_entry(token: str) -> dict[str, Any]:
    """How a token is added that has no settings of its own."""
    return {"content": token, **_FLAGS, "special": False}


def without_earlier(files: Files) -> dict[str, str | bytes]:
    """The files without those that repeat the vocabulary of tokenizer.json."""
    return {name: file for name, file in files.items() if not is_earlier(name)}


def is_earlier(name: str) -> bool:
    """Whether a file is what some tokenizer classes read instead of tokenizer.json."""
    return any(fnmatch.fnmatchcase(name, part) for part in _EARLIER)


def bytes_of(file: str | bytes) -> bytes:
    """What a file of `Files` holds."""
    if isinstance(file, bytes):
        return file
    with open(file, "rb") as stream:
        return stream.read()


def _model_vocabulary(where: str, content: Mapping[str, Any]) -> dict[str, int]:
    """Token -> id, of a mapping (BPE, WordPiece, WordLevel) or of [token, score] (Unigram)."""
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if (
        vocabulary
        and isinstance(vocabulary, dict)
        and all(type(i) is int for i in vocabulary.values())
    ):
        return dict(vocabulary)
    if vocabulary and isinstance(vocabulary, list):
        return {piece[0]: number for number, piece in enumerate(vocabulary)}
    raise MergeError(
        f"tokenizer: {CONTENT} of {where!r} has no vocabulary; expected one of kind BPE, "
        f"WordPiece, WordLevel or Unigram"
    )


def _named_elsewhere(
    where: str, files: Files, settings: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tokens that transformers adds as it loads a tokenizer, in its order."""
    decoder = settings.get("added_tokens_decoder") or {}
    for number in sorted(decoder, key=int):
        entry = decoder[number]
        yield entry["content"], {key: entry[key] for key in (*_FLAGS, "special") if key in entry}
    if "added_tokens.json" in files and not decoder:
        numbers = read_json(where, "added_tokens.json", files["added_tokens.json"])
        yield from (
            (token, {"special": False}) for token in sorted(numbers, key=numbers.__getitem__)
        )
    roles = read_json(where, ROLES, files[ROLES]) if ROLES in files else {}
    for role, value in {**roles, **settings}.items():
        for token in role_tokens(role, value):
            yield token, {"special": True, "normalized": False}


def role_tokens(role: str, value: Any) -> list[str]:
    """The tokens of a setting such as eos_token or extra_special_tokens; none of any other."""
    if role.endswith("special_tokens") and isinstance(value, list | dict):
        found = list(value.values()) if isinstance(value, dict) else value
    else:
        found = [value] if role.endswith("_token") else []
    texts = (token.get("content") if isinstance(token, dict) else token for token in found)
    return [text for text in texts if isinstance(text, str)]
