"""tauJp: how far a task vector moves a model's features on data, to first order.

    tauJp(tau, D) = mean over x in D of || J(x; theta0) tau ||_2

on the features before the head normalises them. On the data of another task it predicts the
interference of adding tau. Source: Yoshida et al. 2025, "Mastering Task Arithmetic: tauJp as a key
indicator for weight disentanglement".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from taujp.tangent.encoder import checked_features, encoder_at, task_vector_of
from taujp.tangent.images import images_of
from taujp.tangent.linearize import linearize
from taujp.tangent.linearized import Linearized

Loader = Iterable[Any] | Dataset[Any]


@dataclass(frozen=True)
class TauJpMatrix:
    """values[a][b] is the tauJp of tasks[a]'s vector on the data of data[b]."""

    tasks: tuple[str, ...]
    data: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]

    def value(self, task: str, data: str) -> float:
        """The tauJp of one task's vector on one data set, by their names."""
        return self.values[self.tasks.index(task)][self.data.index(data)]


def tau_jp(
    model: nn.Module,
    base: Any,
    task_vector: Any,
    loader: Loader,
    *,
    batch_size: int = 64,
    workers: int = 0,
    chunk: int | None = None,
) -> float:
    """mean over x of || J(x; theta0) tau ||_2: how much of a task vector reaches these images.

    Args:
      model: a module from images [n, ...] to features [n, width], or an open_clip model, which
        counts as its image encoder with its weights called "visual.*".
      base: theta0: whatever `open_checkpoint` takes, or None for the model's own weights.
      task_vector: a TaskVector, a mapping of tau by name, or the path of a fine-tuned checkpoint.
      loader: batches of images or of (images, labels), or a data set.
      batch_size, workers: for a data set. chunk: images a pass (less memory, the same result).

    Raises ValueError for an empty loader, and for names or shapes that are not the model's.
    Equivalent: `torch.func.jvp(lambda p: functional_call(model, p, x), (theta0,), (tau,))[1]
    .norm(dim=-1).mean()`, over all batches.
    """
    lin, (tau,) = prepared(model, base, [task_vector], chunk)
    return mean_norms(lin, [tau], loader, batch_size=batch_size, workers=workers)[0]


def tau_jp_matrix(
    model: nn.Module,
    base: Any,
    task_vectors: Mapping[str, Any],
    loaders: Mapping[str, Loader],
    *,
    batch_size: int = 64,
    workers: int = 0,
    chunk: int | None = None,
) -> TauJpMatrix:
    """Every task's vector on every data set; the data are run through once for all vectors.

    Arguments as in `tau_jp`, by the names of tasks and of data sets.
    """
    if not task_vectors or not loaders:
        raise ValueError(
            f"tau_jp_matrix: came {len(task_vectors)} task vectors and {len(loaders)} loaders; "
            "expected at least one of each"
        )
    lin, taus = prepared(model, base, list(task_vectors.values()), chunk)
    columns = [
        mean_norms(lin, taus, loader, batch_size=batch_size, workers=workers)
        for loader in loaders.values()
    ]
    return TauJpMatrix(tuple(task_vectors), tuple(loaders), tuple(zip(*columns, strict=True)))


def prepared(
    model: nn.Module,
    base: Any,
    sources: Sequence[Any],
    chunk: int | None,
    *,
    normalised: bool = False,
) -> tuple[Linearized, list[dict[str, Tensor]]]:
    """The encoder linearised at `base`, and the task vectors by its own names."""
    encoder = encoder_at(model, base)
    taus = [task_vector_of(encoder, source) for source in sources]
    return linearize(encoder.module, chunk=chunk, normalised=normalised), taus


def mean_norms(
    lin: Linearized,
    taus: Sequence[Mapping[str, Tensor]],
    loader: Loader,
    *,
    batch_size: int = 64,
    workers: int = 0,
) -> list[float]:
    """mean over x of || J tau ||_2 for each tau, from one primal pass; summed in float64."""
    total, count = torch.zeros(len(taus), dtype=torch.float64), 0
    for images, _ in images_of(
        loader, device=device_of(lin), batch_size=batch_size, workers=workers
    ):
        f0, moved = lin.tangents(images, task_vectors=taus)
        checked_features(f0, "tau_jp")
        total += torch.stack([norms(df).sum() for df in moved]).cpu()
        count += len(images)
    means: list[float] = (total / count).tolist()
    return means


def norms(df: Tensor) -> Tensor:
    """Euclidean norms [n] in float64 of tangents [n, width]."""
    return torch.linalg.vector_norm(df.double(), dim=-1)


def device_of(lin: Linearized) -> torch.device:
    """Where its weights are."""
    return next(iter(lin.theta0.values())).device
