"""A checkpoint made of tensors of others, under other names: a view, nothing is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .entries import Checkpoint, CheckpointError, Entry, SourceFile
from .tensors import entry_of


def composed(
    label: str,
    parts: Mapping[str, tuple[Checkpoint, str]],
    *,
    ties: Mapping[str, str] | None = None,
    shards: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Checkpoint:
    """A view of `parts`, {new name: (checkpoint, its name)}: for slices, stacks and renamings.

    Args:
      ties: {name: the name that it shares its storage with}; default: what is tied in one of the
        checkpoints stays so, where both names are among the parts.
      shards: the file that would hold each name; default: one file for all.
      metadata, folder: as a Checkpoint's own.

    Raises: CheckpointError for a name that its checkpoint lacks, or a tie to a name not there.
    """
    numbers: dict[SourceFile, int] = {}
    entries: dict[str, Entry] = {}
    for name, (checkpoint, source) in parts.items():
        entry = entry_of(checkpoint, source)
        for file in checkpoint.files if entry.file < 0 else [checkpoint.files[entry.file]]:
            numbers.setdefault(file, len(numbers))
        place = entry.file if entry.file < 0 else numbers[checkpoint.files[entry.file]]
        entries[name] = replace(entry, name=name, file=place)
    kept = dict(ties) if ties is not None else _kept_ties(parts)
    lost = [name for pair in kept.items() for name in pair if name not in entries]
    if lost:
        raise CheckpointError(f"composed: {label}: ties name {lost[:10]}, which are no parts")
    return Checkpoint(
        label,
        entries,
        tuple(numbers),
        kept,
        dict(shards) if shards is not None else dict.fromkeys(entries, "model.safetensors"),
        dict(metadata or {}),
        folder,
    )


def _kept_ties(parts: Mapping[str, tuple[Checkpoint, str]]) -> dict[str, str]:
    """Of names that one checkpoint ties; one name taken twice, for a stack, makes two tensors."""
    firsts: dict[tuple[int, str], tuple[str, str]] = {}
    ties: dict[str, str] = {}
    for name, (checkpoint, source) in parts.items():
        stored = (id(checkpoint), checkpoint.ties.get(source, source))
        first, its_source = firsts.setdefault(stored, (name, source))
        if its_source != source:
            ties[name] = first
    return ties
