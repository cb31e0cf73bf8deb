"""Coefficients that were learned: for merge_many, and as a JSON file."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from taujp.merge.errors import MergeError

FORMAT = "learned coefficients"


@dataclass(frozen=True)
class Learned:
    """What `adamerging` found.

    groups: {group: its parameters' names}; table: [groups][tasks] coefficients. entropies:
    [steps][tasks], the mean entropy of the predictions before each step. settings: how.
    """

    tasks: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    table: tuple[tuple[float, ...], ...]
    entropies: tuple[tuple[float, ...], ...]
    settings: Mapping[str, Any]

    @property
    def coefs(self) -> dict[str, list[float]]:
        """For merge_many, with the checkpoints in the order of `tasks`: {pattern: [tasks]}."""
        if len(self.groups) == 1:
            return {"*": list(self.table[0])}
        rows = {
            glob.escape(name): list(row)
            for names, row in zip(self.groups.values(), self.table, strict=True)
            for name in names
        }
        # What is in no group was not edited: it is as in the base.
        return {**rows, "*": [0.0] * len(self.tasks)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a JSON file."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps({"kind": FORMAT, **asdict(self)}, indent=1), encoding="utf-8")
        os.replace(partial, path)
        return path


def load_learned(path: str | os.PathLike[str]) -> Learned:
    """Coefficients that `save` wrote; MergeError for a file that holds something else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.pop("kind", None) != FORMAT:
        raise MergeError(
            f"load_learned: '{path}' holds no learned coefficients; expected a file that "
            "taujp.adamerging or Learned.save wrote"
        )
    return Learned(
        tuple(content["tasks"]),
        {group: tuple(names) for group, names in content["groups"].items()},
        tuple(map(tuple, content["table"])),
        tuple(map(tuple, content["entropies"])),
        content["settings"],
    )
