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
        rows = {
            glob.escape(name): list(row)
            for names, row in zip(self.groups.values(), self.table, strict=True)
            for name in names
        }
        # What is in no group was not edited: it is as in the base.
        return {**rows, "*": [0.0] * len(self.tasks)}

    def merged(self, base: Any, finetuned: Mapping[str, Any]) -> dict[str, Any]:
        """The merged model, a state dict like the base's; of trimmed vectors where they were.

        MergeError for other tasks than those that were learned.
        """
        from taujp.checkpoint import composed, open_checkpoint, to_state_dict
        from taujp.learn.trimmed import trimmed
        from taujp.learn.views import check_tasks, views_of
        from taujp.merge.merge_many import merge_many

        check_tasks(dict.fromkeys(self.tasks), finetuned, "Learned.merged")
        whole = open_checkpoint(base)
        edited = [name for names in self.groups.values() for name in names]
        parts = {name: (whole, name) for name in edited if name in whole.entries}
        theta0 = to_state_dict(composed(whole.label, parts))
        views = views_of(theta0, {task: finetuned[task] for task in self.tasks}, "Learned.merged")
        trim = self.settings["trim"]
        sources = views if trim is None else trimmed(theta0, views, trim)
        return {
            **to_state_dict(whole),
            **merge_many(list(sources.values()), self.coefs, theta0),
        }

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
