"""Heads that share their numbers with the embedding, and so need not stand in a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from taujp.checkpoint import Checkpoint, composed

from .layers import numbered

_HEAD = re.compile(
    r"(.*\.)?(lm_head(\.decoder|\.linear)?|embed_out|output|output_layer|vocab_projector"
    r"|predictions\.decoder)\.weight"
)
_EMBEDDING = re.compile(
    r"(.*\.)?(embed_tokens|word_embeddings|wte|tok_embeddings|embed_in|shared"
    r"|backbone\.embeddings)\.weight"
)


def with_heads(checkpoints: Sequence[Checkpoint]) -> tuple[tuple[Checkpoint, ...], list[str]]:
    """Where some have a head and others only the embedding it is tied to, all with one.

    Returns the checkpoints, and the names of the heads that some did not have.
    """
    widths = {
        name: entry.shape[1:]
        for checkpoint in checkpoints
        for name, entry in checkpoint.entries.items()
        if _HEAD.fullmatch(name) and numbered(name) is None
    }
    partial = {h: w for h, w in widths.items() if any(h not in c.entries for c in checkpoints)}
    completed = tuple(_with_heads(checkpoint, partial) for checkpoint in checkpoints)
    return completed, [h for h in partial if all(h in c.entries for c in completed)]


def _with_heads(checkpoint: Checkpoint, heads: dict[str, tuple[int, ...]]) -> Checkpoint:
    """heads: name -> the shape of a row."""
    embedding = next((n for n in checkpoint.entries if _EMBEDDING.fullmatch(n)), None)
    if embedding is None:
        return checkpoint
    width = checkpoint.entries[embedding].shape[1:]
    added = [h for h, w in heads.items() if h not in checkpoint.entries and w == width]
    if not added:
        return checkpoint
    parts = {name: (checkpoint, name) for name in checkpoint.entries}
    parts |= {head: (checkpoint, embedding) for head in added}
    # not tied: another model's head has numbers of its own
    completed = composed(checkpoint.label, parts, ties=checkpoint.ties, folder=checkpoint.folder)
    return replace(completed, metadata=checkpoint.metadata)
