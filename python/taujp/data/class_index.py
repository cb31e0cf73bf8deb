"""From a class's name in a file or folder to its label, whatever its case and separators."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


def normalised(name: str) -> str:
    """A class name without case, spaces, underscores, hyphens and slashes."""
    return re.sub(r"[\W_]+", "", name.casefold())


@dataclass(frozen=True)
class ClassIndex:
    """Finds the label of a class by any of the names it goes by."""

    exact: Mapping[str, int]
    alike: Mapping[str, int]

    @classmethod
    def of(cls, *namings: tuple[str, ...]) -> ClassIndex:
        """From lists of all classes in the order of the labels; the first list wins.

        A name that two classes of a list share, or share once normalised, finds neither.
        """
        exact: dict[str, int] = {}
        alike: dict[str, int] = {}
        for names in namings:
            exact = _unshared(list(names)) | exact
            alike = _unshared(list(map(normalised, names))) | alike
        return cls(exact, alike)

    def find(self, name: str) -> int | None:
        """The label of a name; None for a name that no class goes by."""
        found = self.exact.get(name)
        return self.alike.get(normalised(name)) if found is None else found


def _unshared(names: list[str]) -> dict[str, int]:
    counts = Counter(names)
    return {name: label for label, name in enumerate(names) if counts[name] == 1}
