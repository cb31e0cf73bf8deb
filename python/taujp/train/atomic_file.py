"""A safetensors file that is complete or not there, whatever happens while it is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from taujp.whole_file import flush


def write_tensors(
    tensors: Mapping[str, Tensor],
    path: Path,
    metadata: Mapping[str, str],
    *,
    operation: str = "finetune",
) -> None:
    """Writes beside `path`, flushes, and moves onto it; what was there stays until that moment.

    OSError names the operation and the file where it cannot be written, as for want of space.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(contiguous, partial, metadata={"format": "pt", **metadata})
        partial.chmod(0o666 & ~_umask())  # safetensors writes for the owner alone
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):  # it may be what cannot be reached
            partial.unlink()
        kept = "the file that was there is unharmed" if path.exists() else "nothing was there"
        raise OSError(
            f"{operation}: cannot write '{path}': {error}; {kept}; make room or choose another "
            "place, and run the same command again"
        ) from error


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before
