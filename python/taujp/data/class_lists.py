"""The long lists of class names that ship with the package, one name a line."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "assets" / "classes"


def read_classes(name: str) -> tuple[str, ...]:
    """The names as the data set's own files have them, in the order of its labels."""
    return tuple((FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())
