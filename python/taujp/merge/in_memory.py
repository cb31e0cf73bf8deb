"""Merging into state dicts: one call of the kernels for all parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from taujp.checkpoint import Checkpoint, tensor_of
from taujp.checkpoint.dtypes import torch_dtype
from taujp.checkpoint.entries import COMPUTED

from .adapter_rooms import ChangeRooms
from .adapter_sums import sum_of_factors
from .adapters import without_unchanged
from .assembly import inputs_of
from .into import rooms
from .launch import call_kernel
from .nonfinite import report_nonfinite
from .overflow import check_results
from .prepare import Merge
from .tensors_in_memory import merge_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

StateDict = dict[str, torch.Tensor]


def merge_in_memory(merge: Merge, into: Sequence[StateDict] | None = None) -> list[StateDict]:
    """K state dicts in the donor's order, on the device of the checkpoints' tensors.

    into: K state dicts whose tensors are overwritten and returned, instead of new memory.
    """
    merge = without_unchanged(merge)
    device = device_of(inputs_of(merge))
    names = merge.names  # of tied ones the first
    if into is None:
        results = [[_room(merge, name, device) for name in names] for _ in merge.lambdas]
    else:
        held = [entry.tensor for c in inputs_of(merge) for entry in c.entries.values()]
        results = rooms(merge, into, [t for t in held if isinstance(t, torch.Tensor)])
    faults: list[str] = []
    changes = ChangeRooms()
    for first, last in _runs(merge):
        here = [result[first:last] for result in results]
        faults += _merge_run(merge, device, names[first:last], changes, here)
    if not merge.allow_nonfinite:
        report_nonfinite(merge, faults)
        for row in results:
            check_results(names, row)
    merged = [dict(zip(names, row, strict=True)) for row in results]
    return [_state_dict(merge, device, one) for one in merged]


def _runs(merge: Merge) -> Iterator[tuple[int, int]]:
    """Which of the names go together: all, or one by one where some have yet to be worked out."""
    computed = any(c.entries[n].file == COMPUTED for c in inputs_of(merge) for n in merge.names)
    together = merge.recipe.over_model or (merge.formula and merge.formula.survey)
    if together or not computed:
        yield 0, len(merge.names)
        return
    yield from ((first, first + 1) for first in range(len(merge.names)))


def _merge_run(
    merge: Merge,
    device: torch.device,
    names: Sequence[str],
    changes: ChangeRooms,
    results: list[list[torch.Tensor]],
) -> list[str]:
    """Merge these parameters; the names of those whose inputs hold NaN or Inf."""
    summed = sum_of_factors(merge, names[0]) if len(names) == 1 else None
    if summed is not None and merge.base is not None:
        theta0 = _on(device, merge.base, names[0])
        return [] if summed.write(theta0, [row[0] for row in results]) else list(names)
    wanted = [(c, name) for name in names for c in merge.checkpoints]
    sources = [_source(device, c, name, i, changes) for i, (c, name) in enumerate(wanted)]
    bases = [_on(device, merge.base, name) for name in names] if merge.base else []
    flat = [result for row in zip(*results, strict=True) for result in row]
    merge_flat = call_kernel if merge.formula is None else merge_tensors
    faults = merge_flat(merge, names, sources, bases, flat).tolist()
    return [name for name, fault in zip(names, faults, strict=True) if fault]


def _room(merge: Merge, name: str, device: torch.device) -> torch.Tensor:
    dtype = torch_dtype(merge.dtype_of(name))
    return torch.empty(merge.donor.entries[name].shape, dtype=dtype, device=device)


def device_of(checkpoints: Sequence[Checkpoint]) -> torch.device:
    """The one device of all tensors in memory; files are read to it. CPU where all are files."""
    devices = {
        entry.tensor.device
        for checkpoint in checkpoints
        for entry in checkpoint.entries.values()
        if isinstance(entry.tensor, torch.Tensor)
    }
    if len(devices) > 1:
        raise ValueError(
            f"merge: the checkpoints lie on {', '.join(sorted(map(str, devices)))}; "
            f"move them to one device"
        )
    return devices.pop() if devices else torch.device("cpu")


def _on(device: torch.device, checkpoint: Checkpoint, name: str) -> torch.Tensor:
    return tensor_of(checkpoint, name).detach().to(device).contiguous()


def _source(
    device: torch.device, checkpoint: Checkpoint, name: str, number: int, changes: ChangeRooms
) -> torch.Tensor:
    change = changes.change(number, checkpoint.entries[name])
    return _on(device, checkpoint, name) if change is None else change.to(device)


def _state_dict(merge: Merge, device: torch.device, merged: StateDict) -> StateDict:
    """The donor's names in the donor's order: merged, tied to what is merged, or copied."""
    result: StateDict = {}
    for name in merge.donor.entries:
        first = merge.donor.ties.get(name, name)
        if name in merged or first in merged:
            result[name] = merged[name if name in merged else first]
        else:
            tied = first in result and first != name
            result[name] = result[first] if tied else _on(device, merge.donor, name).clone()
    return result
