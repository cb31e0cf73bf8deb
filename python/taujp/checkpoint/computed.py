"""Tensors worked out when they are wanted: an adapted matrix, rows in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .dtypes import byte_count, torch_dtype
from .entries import COMPUTED, CheckpointError, Entry

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Computed:
    """What stands in `Entry.tensor`: `make` gives a fresh contiguous tensor on the CPU.

    identity: says all that determines the numbers, so that an unfinished merge knows its inputs.
    """

    make: Callable[[], torch.Tensor]
    identity: str


def computed_entry(
    name: str,
    dtype: str,
    shape: tuple[int, ...],
    make: Callable[[], torch.Tensor],
    identity: str,
) -> Entry:
    """An entry whose numbers `make` gives each time they are wanted.

    Files that it reads belong into its checkpoint's `files`, so that their changes are noticed.
    """
    return Entry(
        name, dtype, shape, COMPUTED, 0, byte_count(dtype, shape), name, Computed(make, identity)
    )


def work_out_entry(label: str, entry: Entry) -> torch.Tensor:
    """The numbers of a computed entry; a CheckpointError where they are not what it promised."""
    made = entry.tensor.make()
    if tuple(made.shape) != entry.shape or made.dtype != torch_dtype(entry.dtype):
        raise CheckpointError(
            f"{label}: {entry.name!r} was worked out as {made.dtype} of shape {tuple(made.shape)}; "
            f"expected {entry.dtype} of shape {entry.shape}"
        )
    return made.detach().cpu().contiguous()
