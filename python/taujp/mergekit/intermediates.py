"""Models that an earlier run made of a named document, to be taken as they are."""

from __future__ import annotations

from pathlib import Path

from .card import CONFIGURATION
from .config import Configuration


def is_made(folder: Path, config: Configuration, text: str) -> bool:
    """Whether the folder holds what a configuration of this text makes, of inputs no newer than it.

    The folder appears only when it is complete, so its configuration stands for all of it.
    """
    configuration = folder / CONFIGURATION
    try:
        if configuration.read_bytes() != text.encode():
            return False
        made = configuration.stat().st_mtime_ns
    except OSError:
        return False
    places = [place for model in config.models for place in (model.model, model.adapter) if place]
    return all(_newest(Path(place.path)) <= made for place in places)


def _newest(place: Path) -> int:
    """When anything in a folder was last changed; 0 for a model that is no path here."""
    paths = [place, *place.iterdir()] if place.is_dir() else [place]
    return max((path.stat().st_mtime_ns for path in paths if path.exists()), default=0)
