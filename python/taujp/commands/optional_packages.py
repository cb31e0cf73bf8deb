"""Packages that only some commands need: told before the work, with the extra that brings them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

# Import names by the extras of pyproject.toml.
EXTRAS = {
    "clip": (
        "jinja2", "lightning_fabric", "matplotlib", "open_clip", "pydantic", "sklearn",
        "torchvision",
    ),
    "data": ("datasets", "scipy"),
    "mergekit": ("yaml",),
    "search": ("optuna",),
    "transformers": ("transformers",),
}  # fmt: skip
RESULTS = ("pydantic",)  # for result files
PAGE = ("matplotlib", "jinja2")


def check_installed(*packages: str) -> None:
    """ImportError for packages that are missing, before any work is done that would be lost."""
    missing = [name for name in packages if not is_installed(name)]
    if missing:
        raise ImportError(needed(missing))


def is_installed(package: str) -> bool:
    """Whether it could be imported; it is not."""
    return importlib.util.find_spec(package) is not None


def needed(packages: Sequence[str]) -> str:
    """What to do about packages that are missing."""
    extras = [extra for extra, known in EXTRAS.items() if set(known) & set(packages)]
    verb = "are" if len(packages) > 1 else "is"
    return (
        f"{' and '.join(packages)} {verb} not installed; run `pip install "
        f'"taujp[{",".join(extras)}]"`'
    )


def is_optional(package: str | None) -> bool:
    """Whether an extra brings it."""
    return any(package in known for known in EXTRAS.values())
