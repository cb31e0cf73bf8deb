"""What a configuration says about the output's tokenizer: `tokenizer_source` or `tokenizer`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from taujp.merge.errors import MergeError

from .reference import model_reference

MADE = ("base", "union")  # sources that name no model


@dataclass(frozen=True)
class TokenRow:
    """Where the embedding of one token comes from.

    kind: "default" (the rule of `aligned`), "zero", "model" (the token's own row in `model`), or
    "token" (the row of another token of `model`, by its text or its id).
    force: whether models that have the token take this row too.
    """

    kind: str = "default"
    model: str = ""
    token: str | None = None
    token_id: int | None = None
    force: bool = False


@dataclass(frozen=True)
class TokenizerSpec:
    """source: "base", "union", or a model as the configuration names it."""

    source: str
    tokens: Mapping[str, TokenRow] = field(default_factory=dict)
    pad_to_multiple_of: int | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that it names."""
        named = [row.model for row in self.tokens.values() if row.model]
        return (*([] if self.source in MADE else [self.source]), *named)

    def renamed(self, rename: Callable[[str], str]) -> TokenizerSpec:
        """With other names for its models."""
        tokens = {
            token: replace(row, model=rename(row.model)) if row.model else row
            for token, row in self.tokens.items()
        }
        source = self.source if self.source in MADE else rename(self.source)
        return replace(self, source=source, tokens=tokens)


def tokenizer_spec(tokenizer_source: Any = None, tokenizer: Any = None) -> TokenizerSpec | None:
    """The two settings of a configuration as one; None where neither is there.

    Args:
      tokenizer_source: "base", "union", or a model ("path", or a mapping with `model`).
      tokenizer: {source: as above (default "union"), tokens: {token: {source, force}},
        pad_to_multiple_of: n}.

    Raises: MergeError for both at once, unknown keys, and values of the wrong kind.
    """
    if tokenizer is None and tokenizer_source is None:
        return None
    if tokenizer is None:
        return TokenizerSpec(_source("tokenizer_source", tokenizer_source))
    if tokenizer_source is not None:
        raise MergeError("both tokenizer_source and tokenizer came; say it in one of them")
    _known("tokenizer", tokenizer, ("source", "tokens", "pad_to_multiple_of"))
    tokens = tokenizer.get("tokens")
    tokens = {} if tokens is None else tokens
    if not isinstance(tokens, Mapping):
        raise MergeError(
            f"tokenizer.tokens is {tokens!r}; expected {{token: {{source: ..., force: ...}}}}"
        )
    rows = {str(token): _token_row(str(token), value) for token, value in tokens.items()}
    source = tokenizer.get("source")
    return TokenizerSpec(
        "union" if source is None else _source("tokenizer.source", source),
        rows,
        _multiple(tokenizer),
    )


def _source(where: str, value: Any) -> str:
    """base, union, or a model by the name that `models` has for it."""
    if isinstance(value, str) and value in MADE:
        return value
    if not isinstance(value, str | Mapping):
        raise MergeError(f"{where} is {value!r}; expected base, union or a model")
    return str(model_reference(where, value))


def _token_row(token: str, value: Any) -> TokenRow:
    where = f"tokenizer.tokens[{token!r}]"
    value = {} if value is None else value
    _known(where, value, ("source", "force"))
    force, source = value.get("force", False), value.get("source")
    if not isinstance(force, bool):
        raise MergeError(f"{where}.force is {force!r}; expected true or false")
    if source is None:
        if force:
            raise MergeError(f"{where}: force needs a source; expected source: zero or a model")
        return TokenRow()
    kind = source.get("kind") if isinstance(source, Mapping) else None
    if kind == "zero":
        _known(f"{where}.source", source, ("kind",))
        return TokenRow("zero", force=force)
    if kind == "model_token":
        return _other_token(f"{where}.source", source, force)
    if kind is not None:
        raise MergeError(f"{where}.source.kind is {kind!r}; expected zero or model_token")
    return TokenRow("model", str(model_reference(f"{where}.source", source)), force=force)


def _other_token(where: str, source: Mapping[str, Any], force: bool) -> TokenRow:
    _known(where, source, ("kind", "model", "token", "token_id"))
    token, token_id = source.get("token"), source.get("token_id")
    if "model" not in source or (token is None) == (token_id is None):
        raise MergeError(f"{where} has {sorted(source)}; expected model, and token or token_id")
    if token is not None and not isinstance(token, str):
        raise MergeError(f"{where}.token is {token!r}; expected a text: quote it")
    if token_id is not None and (type(token_id) is not int or token_id < 0):
        raise MergeError(f"{where}.token_id is {token_id!r}; expected a number from 0 on")
    model = str(model_reference(f"{where}.model", source["model"]))
    return TokenRow("token", model, token, token_id, force)


def _multiple(tokenizer: Mapping[str, Any]) -> int | None:
    value = tokenizer.get("pad_to_multiple_of")
    if value is not None and (type(value) is not int or value < 1):
        raise MergeError(
            f"tokenizer.pad_to_multiple_of is {value!r}; expected a whole number from 1 on"
        )
    return value


def _known(where: str, value: Any, keys: Collection[str]) -> None:
    if not isinstance(value, Mapping):
        raise MergeError(f"{where} is {value!r}; expected a mapping with {', '.join(keys)}")
    unknown = sorted(str(key) for key in value if key not in keys)
    if unknown:
        raise MergeError(f"{where} has {', '.join(unknown)}; known are {', '.join(keys)}")
