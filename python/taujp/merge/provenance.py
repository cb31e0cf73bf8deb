"""What an output says of where it comes from: the metadata entry "taujp" of its headers.

The fingerprints of the inputs are known only after the merge has read them, but a header precedes
its data. So the layout is made with marks of the same length, which give way to the fingerprints.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import taujp
from taujp.checkpoint import Checkpoint

from .prepare import Merge

KEY = "taujp"
Sha256 = Mapping[str, Mapping[str, str]]  # a checkpoint's label -> file name -> digest


def mark(position: int) -> str:
    """What stands for the fingerprint of the position-th input (the base, if any, is the first)."""
    return f"<input{position:09d}>"


def with_fingerprints(header: bytes, fingerprints: Sequence[str]) -> bytes:
    """The header with every mark replaced."""
    for position, fingerprint in enumerate(fingerprints):
        header = header.replace(mark(position).encode(), fingerprint.encode())
    return header


def fingerprint_of_checkpoint(tensors: Iterable[tuple[str, int]]) -> str:
    """16 hex digits from a checkpoint's merged tensors: their stored names and fingerprints."""
    text = "".join(f"{name}\0{fingerprint:016x}\n" for name, fingerprint in sorted(tensors))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def provenance(merge: Merge, result: int, sha256: Sha256 | None) -> str:
    """The entry for one of the K results, with marks for fingerprints."""
    inputs = [*([merge.base] if merge.base else []), *merge.checkpoints]
    described = [_input(c, mark(i), sha256) for i, c in enumerate(inputs)]
    tables = {
        pattern: list(table[result])
        for pattern, table in zip(
            merge.coefficients.patterns, merge.coefficients.tables, strict=True
        )
    }
    return json.dumps(
        {
            "version": taujp.__version__,
            "method": merge.method,
            "options": {**merge.options, "lambda_": merge.lambdas[result]},
            "coefs": tables["*"] if list(tables) == ["*"] else tables,
            "base": described.pop(0) if merge.base else None,
            "inputs": described,
        }
    )


def _input(checkpoint: Checkpoint, fingerprint: str, sha256: Sha256 | None) -> dict[str, Any]:
    # names without folders: where the author keeps them is nobody's business
    name = os.path.basename(
        checkpoint.folder or (checkpoint.files[0].path if checkpoint.files else "")
    )
    entry: dict[str, Any] = {
        "name": name or "in memory",
        "bytes": sum(entry.nbytes for entry in checkpoint.entries.values()),
        "fingerprint": fingerprint,
    }
    if sha256 is not None:
        entry["sha256"] = sha256[checkpoint.label]
    return entry


def sha256_of(path: str) -> str:
    """The SHA-256 of a file, in hex."""
    digest, part = hashlib.sha256(), bytearray(1 << 20)
    with open(path, "rb") as stream:
        while count := stream.readinto(part):
            digest.update(memoryview(part)[:count])
    return digest.hexdigest()
