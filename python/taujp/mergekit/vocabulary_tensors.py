"""Which tensors of a model are indexed by tokens: embeddings, heads and heads' biases."""

from __future__ import annotations

import re
from collections.abc import Mapping

from taujp.checkpoint import Checkpoint

# By name, as the models of transformers and open_clip call them.
_KNOWN = re.compile(
    r"(.*\.)?(embed_tokens|wte|word_embeddings|tok_embeddings|token_embeddings?|shared|embed_in"
    r"|embed_out|lm_head(\.decoder)?|output|vocab_projector|cls\.predictions(\.decoder)?"
    r"|backbone\.embeddings?|generator_lm_head)\.(weight|bias)"
)
_LAYER = re.compile(r"(^|\.)\d+\.")
_POSITIONS = re.compile(r"position|wpe|token_type|norm")


def vocabulary_names(
    checkpoints: Mapping[str, Checkpoint], rows: Mapping[str, int]
) -> tuple[str, ...]:
    """The tensors that are indexed by tokens along their first axis.

    Those that are called like one; and any other outside of the layers that has as many rows as the
    vocabulary in every model, where nothing inside of the layers has that size.

    Args:
      checkpoints: models whose tensors have the same names.
      rows: each model's size of the vocabulary, as its config.json says.
    """
    outside = [
        name
        for name in dict.fromkeys(n for c in checkpoints.values() for n in c.entries)
        if not _LAYER.search(name) and _enough_rows(name, checkpoints, rows)
    ]
    known = {name for name in outside if _KNOWN.fullmatch(name)}
    if set(checkpoints) <= rows.keys() and not _sizes_in_layers(checkpoints) & set(rows.values()):
        known |= {
            name
            for name in outside
            if not _POSITIONS.search(name) and _exactly(name, checkpoints, rows)
        }
    for checkpoint in checkpoints.values():  # what shares a storage is merged once
        known |= {name for pair in checkpoint.ties.items() if known & set(pair) for name in pair}
    return tuple(name for name in outside if name in known)


def _enough_rows(name: str, checkpoints: Mapping[str, Checkpoint], rows: Mapping[str, int]) -> bool:
    entries = {m: c.entries[name] for m, c in checkpoints.items() if name in c.entries}
    return all(e.floating and e.shape and e.shape[0] >= rows.get(m, 1) for m, e in entries.items())


def _exactly(name: str, checkpoints: Mapping[str, Checkpoint], rows: Mapping[str, int]) -> bool:
    return all(
        checkpoint.entries[name].shape[0] == rows[model]
        for model, checkpoint in checkpoints.items()
        if name in checkpoint.entries
    )


def _sizes_in_layers(checkpoints: Mapping[str, Checkpoint]) -> set[int]:
    return {
        size
        for checkpoint in checkpoints.values()
        for name, entry in checkpoint.entries.items()
        if _LAYER.search(name)
        for size in entry.shape
    }
