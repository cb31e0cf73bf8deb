"""Where a result comes from: digests of its checkpoints, versions, what was typed."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import taujp
from taujp.checkpoint import open_checkpoint
from taujp.checkpoint.tensors import raw_bytes
from taujp.evaluate.record import Provenance

PACKAGES = ("torch", "numpy", "open_clip_torch", "transformers", "torchvision")
PART = 1 << 24  # bytes handed to the hash at once


def provenance_of(
    model: str,
    checkpoints: Mapping[str, Any],
    *,
    way: str = "",
    data: Mapping[str, str] | None = None,
    seed: int | None = None,
    command: Sequence[str] | None = None,
) -> Provenance:
    """What to save a result with.

    model: its name, or the folder it is in. checkpoints: {task: path, state dict, ...}, whatever
    `open_checkpoint` takes. data: {task: digest}. command: words typed; None: those of this
    program, if it is taujp.
    """
    return Provenance(
        model=Path(model).resolve().name if Path(model).is_dir() else model,
        way=way,
        checkpoints={name: checkpoint_digest(each) for name, each in checkpoints.items()},
        data=dict(data or {}),
        seed=seed,
        software=software(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=without_folders(_typed() if command is None else command),
    )


def checkpoint_digest(source: Any) -> str:
    """16 hex digits of the SHA-256 of all tensors: names, dtypes, shapes and bytes.

    The same numbers give the same digest from any file format and from memory; metadata do not
    count. About 1 s for 1 GB.
    """
    checkpoint = open_checkpoint(source)
    digest = hashlib.sha256()
    for name, entry in sorted(checkpoint.entries.items()):
        digest.update(f"{name}\0{entry.dtype}\0{tuple(entry.shape)}\0".encode())
        data = raw_bytes(checkpoint, entry)
        for start in range(0, entry.nbytes, PART):
            digest.update(data[start : start + PART])
    return digest.hexdigest()[:16]


def software() -> dict[str, str]:
    """Versions of taujp, Python and the packages that results depend on, where installed."""
    found = {"taujp": taujp.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def without_folders(words: Sequence[str]) -> str:
    """The words as one line; of paths only the last name: where things lie is the author's own."""
    return " ".join(re.sub(r"(^|[=,:])[^=,:\s]*[/\\]+(?=[^/\\])", r"\1", word) for word in words)


def _typed() -> list[str]:
    """This program's words where it is the command `taujp`, else nothing."""
    program = re.sub(r".*[/\\]", "", re.sub(r"[/\\]__main__\.py$", "", sys.argv[0]))
    return ["taujp", *sys.argv[1:]] if program == "taujp" else []
