"""What an output says its inputs were: a fingerprint of the merged tensors of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from .assembly import inputs_of
from .file_plan import FilePlan
from .journal import Done


def fingerprints_of(plan: FilePlan, done: Mapping[int, Done]) -> list[str]:
    """One for each label of the assembly's inputs, from the fingerprints of all works' sources."""
    tensors: dict[str, set[tuple[str, int]]] = {label: set() for label in plan.assembly.inputs}
    for number, work in enumerate(plan.works):
        if work.copy:
            continue
        name, prints = work.names[0], done[number].fingerprints
        for position, checkpoint in enumerate(inputs_of(plan.merge_of(number))):
            stored = checkpoint.entries[name].stored_name
            tensors[checkpoint.label].add((stored, prints[position]))
    return [_of_checkpoint(found) for found in tensors.values()]


def _of_checkpoint(tensors: Iterable[tuple[str, int]]) -> str:
    """16 hex digits from a checkpoint's merged tensors: their stored names and fingerprints."""
    text = "".join(f"{name}\0{fingerprint:016x}\n" for name, fingerprint in sorted(tensors))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
