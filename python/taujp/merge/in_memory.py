"""Merging into state dicts: one call of the kernels for all parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from taujp.checkpoint import Checkpoint, tensor_of
from taujp.checkpoint.dtypes import torch_dtype

from .into import rooms
from .launch import call_kernel
from .nonfinite import report_nonfinite
from .prepare import Merge
from .tensors_in_memory import merge_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

StateDict = dict[str, torch.Tensor]


def merge_in_memory(merge: Merge, into: Sequence[StateDict] | None = None) -> list[StateDict]:
    """K state dicts in the donor's order, on the device of the checkpoints' tensors.

    into: K state dicts whose tensors are overwritten and returned, instead of new memory.
    """
    device = device_of([*([merge.base] if merge.base else []), *merge.checkpoints])
    names = merge.names  # of tied ones the first
    sources = [_on(device, c, name) for name in names for c in merge.checkpoints]
    bases = [_on(device, merge.base, name) for name in names] if merge.base else []
    if into is None:
        results = [[_room(merge, name, device) for name in names] for _ in merge.lambdas]
    else:
        results = rooms(merge, into, [*sources, *bases])
    flat = [result for row in zip(*results, strict=True) for result in row]
    merge_flat = call_kernel if merge.formula is None else merge_tensors
    faults = merge_flat(merge, names, sources, bases, flat).tolist()
    if not merge.allow_nonfinite:
        report_nonfinite(merge, [n for n, fault in zip(names, faults, strict=True) if fault])
    merged = [dict(zip(names, row, strict=True)) for row in results]
    return [_state_dict(merge, device, one) for one in merged]


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
