"""The number types of checkpoints, by their safetensors names: one table for everything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# safetensors name -> (bits of one element, name in torch). F4 and F6 are packed; torch has no name.
_DTYPES: dict[str, tuple[int, str | None]] = {
    "F32": (32, "float32"),
    "F16": (16, "float16"),
    "BF16": (16, "bfloat16"),
    "F64": (64, "float64"),
    "F8_E4M3": (8, "float8_e4m3fn"),
    "F8_E5M2": (8, "float8_e5m2"),
    "F8_E4M3FNUZ": (8, "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": (8, "float8_e5m2fnuz"),
    "F8_E8M0": (8, "float8_e8m0fnu"),
    "F6_E2M3": (6, None),
    "F6_E3M2": (6, None),
    "F4": (4, None),
    "C64": (64, "complex64"),
    "C128": (128, "complex128"),
    "I64": (64, "int64"),
    "I32": (32, "int32"),
    "I16": (16, "int16"),
    "I8": (8, "int8"),
    "U64": (64, "uint64"),
    "U32": (32, "uint32"),
    "U16": (16, "uint16"),
    "U8": (8, "uint8"),
    "BOOL": (8, "bool"),
}
_SAFETENSORS_NAMES = {name: dtype for dtype, (_, name) in _DTYPES.items() if name}

DTYPE_NAMES = tuple(_DTYPES)
FLOATING = frozenset({"F32", "F16", "BF16"})
INTEGERS = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})


def element_bits(dtype: str) -> int:
    """Bits of one element, e.g. 16 for BF16."""
    return _DTYPES[dtype][0]


def byte_count(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor; sub-byte types fill whole bytes."""
    return (math.prod(shape) * _DTYPES[dtype][0] + 7) // 8


def from_torch_name(name: str) -> str | None:
    """'float32' or 'torch.float32' -> 'F32'; None for a type that safetensors cannot hold."""
    return _SAFETENSORS_NAMES.get(name.removeprefix("torch."))


def torch_dtype(dtype: str) -> torch.dtype:
    """'F32' -> torch.float32; KeyError where this torch has no such type."""
    import torch

    name = _DTYPES[dtype][1]
    found: torch.dtype | None = getattr(torch, name, None) if name else None
    if found is None:
        raise KeyError(dtype)
    return found
