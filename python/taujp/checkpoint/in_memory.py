"""A state dict or a module as a checkpoint: its tensors stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from .dtypes import byte_count, from_torch_name
from .entries import IN_MEMORY, Checkpoint, CheckpointError, Entry


def from_state_dict(state_dict: Mapping[str, Any], label: str) -> Checkpoint:
    """A checkpoint of tensors in memory; tensors that share exactly their storage are ties."""
    entries, ties = {}, {}
    firsts: dict[tuple[Any, ...], str] = {}
    for name, tensor in state_dict.items():
        entries[name] = entry = _entry(name, tensor, label)
        first = firsts.setdefault(_storage(tensor), name) if entry.size else name
        if first != name:
            ties[name] = first
    return Checkpoint(label, entries, ties=ties, shards=dict.fromkeys(entries, "model.safetensors"))


def _entry(name: str, tensor: Any, label: str) -> Entry:
    if not isinstance(name, str):
        _fail(label, name, "is no name", "expected a string")
    if not (hasattr(tensor, "data_ptr") and hasattr(tensor, "untyped_storage")):
        _fail(label, name, f"is a {type(tensor).__name__}", "expected a torch.Tensor")
    if str(tensor.layout) != "torch.strided" or tensor.device.type == "meta":
        _fail(
            label,
            name,
            f"is a {tensor.layout} tensor on {tensor.device}",
            "expected a dense one that holds numbers",
        )
    dtype = from_torch_name(str(tensor.dtype))
    if dtype is None:
        _fail(label, name, f"has dtype {tensor.dtype}", "cast it to torch.float32")
    shape = tuple(tensor.shape)
    return Entry(name, dtype, shape, IN_MEMORY, 0, byte_count(dtype, shape), name, tensor.detach())


def _storage(tensor: Any) -> tuple[Any, ...]:
    return (
        str(tensor.device), tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()
    )  # fmt: skip


def _fail(label: str, name: object, what: str, advice: str) -> NoReturn:
    raise CheckpointError(f"open_checkpoint: {label}: {name!r} {what}; {advice}")
