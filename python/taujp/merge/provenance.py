"""What an output says of where it comes from: the metadata entry "taujp" of its headers.

The fingerprints of the inputs are known only after the merge has read them, but a header precedes
its data. So the layout is made with marks of the same length, which give way to the fingerprints.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import taujp
from taujp.checkpoint import Checkpoint

from .assembly import Assembly
from .coefficients import Coefficients
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


def provenance(assembly: Assembly, result: int, sha256: Sha256 | None) -> str:
    """The entry for one of the K results, with marks for fingerprints."""
    inputs = {
        label: _input(label, views, mark(i), sha256)
        for i, (label, views) in enumerate(assembly.inputs.items())
    }
    described: dict[str, Any] = {"version": taujp.__version__}
    if len(assembly.merges) == 1:
        merge = assembly.merges[0]
        described |= _merge(merge, result)
        described["base"] = inputs.pop(merge.base.label) if merge.base else None
    else:
        described["merges"] = [
            {
                **_merge(merge, result),
                "parameters": len(merge.names),
                "base": merge.base.label if merge.base else None,
                "checkpoints": [checkpoint.label for checkpoint in merge.checkpoints],
            }
            for merge in assembly.merges
        ]
    described["inputs"] = list(inputs.values())
    return json.dumps(described)


def _merge(merge: Merge, result: int) -> dict[str, Any]:
    return {
        "method": merge.method,
        "options": {**merge.options, "lambda_": merge.lambdas[result]},
        "coefs": _coefs(merge.coefficients, result),
        **({"task": result} if merge.per_task else {}),
    }


def _coefs(coefficients: Coefficients, result: int) -> Any:
    """One row; or a row for each pattern; or rows, each with how many parameters it is for."""
    rows = [list(table[result]) for table in coefficients.tables]
    if coefficients.named is not None:
        counts = Counter(coefficients.named.values())
        return [{"coefs": row, "parameters": counts[i]} for i, row in enumerate(rows)]
    if coefficients.patterns == ("*",):
        return rows[0]
    return dict(zip(coefficients.patterns, rows, strict=True))


def _input(
    label: str, views: Sequence[Checkpoint], fingerprint: str, sha256: Sha256 | None
) -> dict[str, Any]:
    # names without folders: where the author keeps them is nobody's business
    first = views[0]
    name = os.path.basename(first.folder or (first.files[0].path if first.files else ""))
    sizes = {entry.stored_name: entry.nbytes for view in views for entry in view.entries.values()}
    described: dict[str, Any] = {
        "name": name or "in memory",
        "bytes": sum(sizes.values()),
        "fingerprint": fingerprint,
    }
    if sha256 is not None:
        described["sha256"] = sha256[label]
    return described


def sha256_of(path: str) -> str:
    """The SHA-256 of a file, in hex."""
    digest, part = hashlib.sha256(), bytearray(1 << 20)
    with open(path, "rb") as stream:
        while count := stream.readinto(part):
            digest.update(memoryview(part)[:count])
    return digest.hexdigest()
