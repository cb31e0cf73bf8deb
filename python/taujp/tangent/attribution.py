"""Which layer's part of a task vector moves the features: tauJp by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from taujp.tangent.encoder import checked_features
from taujp.tangent.images import images_of
from taujp.tangent.linearized import Linearized
from taujp.tangent.metric import Loader, device_of, norms, prepared


@dataclass(frozen=True)
class LayerTauJp:
    """For each group of parameters l, with u = J tau / ||J tau||:

    norms: mean over x of ||J tau_l||, what the group's part does by itself.
    shares: mean over x of <J tau_l, u>, what it adds to the whole; they sum to `total`, and one
    below 0 cancels others. total: the tauJp of the whole vector.
    """

    groups: tuple[str, ...]
    norms: tuple[float, ...]
    shares: tuple[float, ...]
    total: float


def tau_jp_by_layer(
    model: nn.Module,
    base: Any,
    task_vector: Any,
    loader: Loader,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    at_once: int = 8,
    batch_size: int = 64,
    workers: int = 0,
    chunk: int | None = None,
) -> LayerTauJp:
    """Find out which layers cause the interference that `tau_jp` measures.

    tau_l is tau restricted to one group of parameters, so J tau is the sum of all J tau_l; the
    groups' tangents share primal passes, `at_once` of them each.

    Args:
      model, base, task_vector, loader, batch_size, workers, chunk: as in `tau_jp`.
      groups: {name: patterns of parameter names}, each parameter in one of them; default: one a
        block, embedding, norm and head (`layer_groups`).

    Raises ValueError as `tau_jp` does, and for groups that miss or share a parameter.
    """
    lin, (tau,) = prepared(model, base, [task_vector], chunk)
    parts = _restricted(tau, layer_groups(tau) if groups is None else _matched(tau, groups))
    sums, count = torch.zeros(2, len(parts), dtype=torch.float64), 0
    total = 0.0
    for images, _ in images_of(
        loader, device=device_of(lin), batch_size=batch_size, workers=workers
    ):
        moved = _tangents(lin, images, list(parts.values()), at_once)
        whole = moved.sum(0)
        length = norms(whole)
        unit = whole / torch.where(length > 0, length, 1.0)[:, None]
        own = torch.stack([norms(one) for one in moved])
        sums += torch.stack([own.sum(1), (moved * unit).sum((1, 2))]).cpu()
        total += float(length.sum())
        count += len(images)
    own_mean, share_mean = (sums / count).tolist()
    return LayerTauJp(tuple(parts), tuple(own_mean), tuple(share_mean), total / count)


def layer_groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Parameter names by block ("transformer.resblocks.3"), or by module outside of blocks.

    A block ends at the first number in the name.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        numbers = [index for index, part in enumerate(parts) if part.isdigit()]
        end = numbers[0] + 1 if numbers else max(1, len(parts) - 1)
        found.setdefault(".".join(parts[:end]), []).append(name)
    return found


def _tangents(
    lin: Linearized, images: Tensor, parts: Sequence[Mapping[str, Tensor]], at_once: int
) -> Tensor:
    """J tau_l of every group, float64 [groups, n, width]."""
    moved: list[Tensor] = []
    for start in range(0, len(parts), at_once):
        f0, found = lin.tangents(images, task_vectors=parts[start : start + at_once])
        checked_features(f0, "tau_jp_by_layer")
        moved += found
    return torch.stack(moved).double()


def _restricted(
    tau: Mapping[str, Tensor], groups: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Tensor]]:
    return {group: {name: tau[name] for name in names} for group, names in groups.items()}


def _matched(
    tau: Mapping[str, Tensor], groups: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The names that each group's patterns match; each name in exactly one group."""
    found = {
        group: [name for name in tau if any(fnmatchcase(name, one) for one in patterns)]
        for group, patterns in groups.items()
    }
    times = {name: sum(name in names for names in found.values()) for name in tau}
    wrong = [f"'{name}' in {count}" for name, count in times.items() if count != 1]
    if wrong or not all(found.values()):
        empty = [group for group, names in found.items() if not names]
        raise ValueError(
            f"tau_jp_by_layer: groups hold {', '.join(wrong[:3]) or 'nothing'} of them, and "
            f"{empty} no parameter; expected every parameter in one group, and no group empty"
        )
    return found
