"""Features of a linearised model for every sum of task vectors, from one pass over the data.

    features(x; c) = f(x; theta0) + sum_t c_t J(x; theta0) tau_t

is linear in the coefficients c, so f0 and the T tangents of an image are all that is ever needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from taujp.tangent.encoder import checked_features
from taujp.tangent.images import images_of
from taujp.tangent.metric import Loader, prepared

FORMAT = "tangent features"


@dataclass(frozen=True)
class TangentFeatures:
    """f0 [n, width], tangents [T, n, width] in the order of `tasks`, labels [n] or None."""

    tasks: tuple[str, ...]
    f0: Tensor
    tangents: Tensor
    labels: Tensor | None = None

    def at(self, coefficients: Mapping[str, float] | Sequence[float] | Tensor) -> Tensor:
        """f0 + sum_t c_t J tau_t [n, width]; for coefficients [K, T] all K of them [K, n, width].

        coefficients: in the order of `tasks`, or by task, where those left out are 0.
        """
        if isinstance(coefficients, Mapping):
            unknown = sorted(coefficients.keys() - set(self.tasks))
            if unknown:
                raise ValueError(
                    f"TangentFeatures: no tangents of {unknown}; there are those of "
                    f"{list(self.tasks)}"
                )
            coefficients = [coefficients.get(task, 0.0) for task in self.tasks]
        c = torch.as_tensor(coefficients, dtype=self.f0.dtype, device=self.f0.device)
        if c.dim() not in (1, 2) or c.shape[-1] != len(self.tasks):
            raise ValueError(
                f"TangentFeatures: coefficients have shape {tuple(c.shape)}; expected "
                f"{len(self.tasks)} a row, one for each of {list(self.tasks)}"
            )
        return self.f0 + torch.tensordot(c, self.tangents, dims=1)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a safetensors file; `load` reads it."""
        from safetensors.torch import save_file

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {"f0": self.f0, "tangents": self.tangents}
        if self.labels is not None:
            tensors["labels"] = self.labels
        content = json.dumps({"kind": FORMAT, "tasks": self.tasks})
        partial = path.with_name(f".{path.name}.partial")
        on_cpu = {name: value.cpu().contiguous() for name, value in tensors.items()}
        save_file(on_cpu, partial, metadata={"taujp": content})
        os.replace(partial, path)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TangentFeatures:
        """What `save` wrote; ValueError for a file that holds something else."""
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            content = json.loads((file.metadata() or {}).get("taujp", "{}"))
            if content.get("kind") != FORMAT:
                raise ValueError(
                    f"TangentFeatures: '{path}' holds something else; expected a file that "
                    "TangentFeatures.save wrote"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return cls(tuple(content["tasks"]), **tensors)


def tangent_features(
    model: nn.Module,
    base: Any,
    task_vectors: Mapping[str, Any],
    loader: Loader,
    out: str | os.PathLike[str] | None = None,
    *,
    normalised: bool = False,
    batch_size: int = 64,
    workers: int = 0,
    chunk: int | None = None,
) -> TangentFeatures:
    """Sweep coefficients, subsets, negation or unseen sums of linearised models without the model.

    One primal pass over the data carries all T tangents. Exact for linearised models, and for
    ordinary fine-tunes linearised after the fact. The result is on the CPU.

    Args:
      model, base, loader, batch_size, workers, chunk: as in `tau_jp`; labels are kept if they come.
      task_vectors: by task; each as in `tau_jp`. out: a safetensors file to write as well.
      normalised: of the features divided by their norm (models trained so).

    Raises ValueError as `tau_jp` does, and for outputs that are not [n, width].
    """
    if not task_vectors:
        raise ValueError("tangent_features: no task vectors came; expected at least one")
    lin, taus = prepared(model, base, list(task_vectors.values()), chunk, normalised=normalised)
    device = next(iter(lin.theta0.values())).device
    rows, tangents, labels = [], [], []
    for images, its_labels in images_of(
        loader, device=device, batch_size=batch_size, workers=workers
    ):
        f0, moved = lin.tangents(images, task_vectors=taus)
        rows.append(checked_features(f0, "tangent_features").cpu())
        tangents.append(torch.stack(moved).cpu())
        labels.append(its_labels)
    kept = [one.cpu() for one in labels if one is not None]
    found = TangentFeatures(
        tuple(task_vectors),
        torch.cat(rows),
        torch.cat(tangents, dim=1),
        torch.cat(kept) if len(kept) == len(labels) else None,
    )
    if out is not None:
        found.save(out)
    return found
