"""Merging into memory that is there already: the state dicts of an earlier merge, say."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from taujp.checkpoint.dtypes import torch_dtype

from .errors import MergeError
from .prepare import Merge

StateDict = dict[str, torch.Tensor]


def rooms(
    merge: Merge, into: Sequence[StateDict], inputs: Sequence[torch.Tensor]
) -> list[list[torch.Tensor]]:
    """The tensors of each of K state dicts that the merged parameters go to, in their order.

    Raises MergeError where one is missing, of another shape or dtype, not contiguous, elsewhere
    than the inputs, or shares memory with one of them.
    """
    if len(into) != len(merge.lambdas):
        raise MergeError(f"out has {len(into)} state dicts for {len(merge.lambdas)} models")
    taken = {tensor.untyped_storage().data_ptr() for tensor in inputs if tensor.numel()}
    device = inputs[0].device if inputs else torch.device("cpu")
    wrong = [
        f"out[{k}][{name!r}] {fault}"
        for k, state in enumerate(into)
        for name in merge.names
        if (fault := _fault(merge, state, name, device, taken))
    ]
    if wrong:
        more = f"\n  ... and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise MergeError("merge: cannot write into out:\n  " + "\n  ".join(wrong[:20]) + more)
    return [[state[name].detach() for name in merge.names] for state in into]


def _fault(
    merge: Merge, state: StateDict, name: str, device: torch.device, taken: set[int]
) -> str | None:
    if name not in state:
        return "is missing"
    tensor, shape = state[name], merge.donor.entries[name].shape
    dtype = torch_dtype(merge.dtype_of(name))
    if tuple(tensor.shape) != shape or tensor.dtype != dtype:
        return f"is {tuple(tensor.shape)} {tensor.dtype}, the merge gives {shape} {dtype}"
    if tensor.device != device:
        return f"is on {tensor.device}, the inputs are on {device}"
    if not tensor.is_contiguous():
        return "is not contiguous"
    if tensor.numel() and tensor.untyped_storage().data_ptr() in taken:
        return "shares memory with an input"
    return None
