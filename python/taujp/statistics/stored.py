"""Statistics of one model on one task's data: tensors by the names of its parameters."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from taujp.checkpoint import open_checkpoint, to_state_dict
from taujp.merge.gathered import KIND, SETTINGS, STATISTICS
from taujp.train.atomic_file import write_tensors


@dataclass(frozen=True)
class Statistics:
    """kind: "fisher" or "grams". tensors: by parameter. settings: how they were gathered."""

    kind: str
    tensors: dict[str, Tensor]
    settings: dict[str, Any]

    @property
    def metadata(self) -> Mapping[str, str]:
        """What a file says of them."""
        return {KIND: self.kind, SETTINGS: json.dumps(self.settings)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a safetensors file that merge_many takes in their place."""
        path = Path(path)
        if path.suffix != ".safetensors":
            raise ValueError(f"Statistics.save: '{path}' must end in .safetensors")
        write_tensors(self.tensors, path, self.metadata, operation="Statistics.save")
        return path


def load_statistics(path: str | os.PathLike[str]) -> Statistics:
    """Statistics that `save` wrote; ValueError for a file that holds something else."""
    opened = open_checkpoint(path)
    kind = opened.metadata.get(KIND)
    if kind not in STATISTICS:
        raise ValueError(
            f"load_statistics: '{path}' holds {kind or 'a model'}; expected a file that "
            "Statistics.save or `taujp statistics` wrote"
        )
    return Statistics(kind, to_state_dict(opened), json.loads(opened.metadata[SETTINGS]))
