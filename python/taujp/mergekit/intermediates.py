"""Models that an earlier run made of a named document, to be taken as they are."""

from __future__ import annotations

from pathlib import Path

from .card import CONFIGURATION
from .documents import Document


def is_made(folder: Path, document: Document) -> bool:
    """Whether the folder holds what this document would make, of inputs no newer than it.

    The folder appears only when it is complete, so its configuration stands for all of it.
    """
    configuration = folder / CONFIGURATION
    try:
        if configuration.read_bytes() != document.text.encode():
            return False
        made = configuration.stat().st_mtime_ns
    except OSError:
        return False
    return all(_newest(Path(m.model.path)) <= made for m in document.config.models) and all(
        _newest(Path(m.adapter.path)) <= made for m in document.config.models if m.adapter
    )


def _newest(place: Path) -> int:
    """When anything in a folder was last changed; 0 for a model that is no path here."""
    paths = [place, *place.iterdir()] if place.is_dir() else [place]
    return max((path.stat().st_mtime_ns for path in paths if path.exists()), default=0)
