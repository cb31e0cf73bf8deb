"""Heads that share their numbers with the embedding, and so need not stand in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from taujp.checkpoint import Checkpoint, composed

HEADS = (
    "lm_head.weight", "lm_head.decoder.weight", "lm_head.linear.weight", "embed_out.weight",
    "output.weight", "output_layer.weight", "predictions.decoder.weight", "vocab_projector.weight",
)  # fmt: skip
EMBEDDINGS = (
    "embed_tokens.weight", "word_embeddings.weight", "wte.weight", "tok_embeddings.weight",
    "embed_in.weight", "shared.weight", "backbone.embeddings.weight",
)  # fmt: skip


def with_heads(checkpoints: Sequence[Checkpoint]) -> tuple[tuple[Checkpoint, ...], list[str]]:
    """Where some have a head and others only the embedding it is tied to, all with one.

    Returns the checkpoints, and the names of the heads that some did not have.
    """
    heads = dict.fromkeys(name for c in checkpoints for name in c.entries if name.endswith(HEADS))
    partial = [h for h in heads if any(h not in c.entries for c in checkpoints)]
    return tuple(_with_heads(c, partial) for c in checkpoints), partial


def _with_heads(checkpoint: Checkpoint, heads: Sequence[str]) -> Checkpoint:
    embedding = next((n for n in checkpoint.entries if n.endswith(EMBEDDINGS)), None)
    lacking = [head for head in heads if head not in checkpoint.entries]
    if embedding is None or not lacking:
        return checkpoint
    parts = {name: (checkpoint, name) for name in checkpoint.entries}
    parts |= {head: (checkpoint, embedding) for head in lacking}
    # not tied: another model's head has numbers of its own
    added = composed(checkpoint.label, parts, ties=checkpoint.ties, folder=checkpoint.folder)
    return replace(added, metadata=checkpoint.metadata)
