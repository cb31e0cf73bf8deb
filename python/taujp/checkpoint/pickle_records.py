"""What the names in a torch file's pickle stand for: immutable records, never the things named."""

from __future__ import annotations

from reprlib import repr as short  # what a file nests in itself has a text without end
from typing import Any, NamedTuple

from .dtypes import from_torch_name


class Storage(NamedTuple):
    """A run of `size` elements of `dtype` (None: bytes, typed by the tensor) in record `key`."""

    key: str
    dtype: str | None
    size: int


class View(NamedTuple):
    """A tensor: `shape` elements of a storage from `offset`, `strides` apart, all in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


class Inert(NamedTuple):
    """A value that weights do not need, such as a torch.device."""

    name: str
    arguments: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return self.name


class StateDict(dict[str, Any]):
    """An OrderedDict of the file; attributes such as `_metadata` are left out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"StateDict of {len(self)}"

    def __setstate__(self, state: Any) -> None:
        """Called for attributes; weights have none."""


class Global(NamedTuple):
    """A permitted name. Calling it never calls what it names."""

    name: str

    def __call__(self, *arguments: Any) -> Any:
        build = _BUILDERS.get(self.name)
        return build(*arguments) if build else Inert(self.name, arguments)


def _view(
    storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any, dtype: str | None = None
) -> View:
    dtype = dtype or (storage.dtype if isinstance(storage, Storage) else None)
    counts = (offset, *tuple(shape), *tuple(strides))
    valid = all(type(x) is int and x >= 0 for x in counts) and len(shape) == len(strides)
    if not isinstance(storage, Storage) or dtype is None or not valid:
        raise ValueError(
            f"a tensor with storage {short(storage)}, shape {short(shape)}, strides "
            f"{short(strides)}"
        )
    return View(storage, offset, tuple(shape), tuple(strides), dtype)


def _view_of_bytes(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    _grad: Any,
    _hooks: Any,
    dtype: Any,
    *_: Any,
) -> View:
    name = from_torch_name(dtype.name) if isinstance(dtype, Global) else None
    if name is None:
        raise ValueError(f"a tensor of dtype {short(dtype)}")
    return _view(storage, offset, shape, strides, dtype=name)


def _with_attributes(rebuild: Any, kind: Any, arguments: Any, _state: Any) -> Any:
    if not isinstance(rebuild, Global) or kind not in (_TENSOR, _PARAMETER):
        raise ValueError(f"a tensor of class {short(kind)}")
    return rebuild(*arguments)


def _ordered(pairs: Any = ()) -> StateDict:
    for key, _value in pairs:
        check_key(key)
    return StateDict(pairs)


def check_key(key: Any) -> None:
    """ValueError for tuples in tuples: shared ones take for ever to hash."""
    if type(key) is tuple and any(type(part) is tuple for part in key):
        raise ValueError(f"the key {short(key)}; expected a string, a number or a plain tuple")


_TENSOR, _PARAMETER = Global("torch.Tensor"), Global("torch.nn.parameter.Parameter")
_BUILDERS: dict[str, Any] = {
    "collections.OrderedDict": _ordered,
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_tensor_v3": _view_of_bytes,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": _with_attributes,
}
STORAGES = {
    f"torch.{kind}Storage": dtype
    for kind, dtype in {
        "Float": "F32", "Half": "F16", "BFloat16": "BF16", "Double": "F64", "Long": "I64",
        "Int": "I32", "Short": "I16", "Char": "I8", "Byte": "U8", "Bool": "BOOL",
        "ComplexFloat": "C64", "ComplexDouble": "C128",
    }.items()
}  # fmt: skip
UNTYPED = ("torch.storage.UntypedStorage", "torch.UntypedStorage")
_INERT = (
    "torch.device",
    "torch.serialization._get_layout",
    "_codecs.encode",
    "collections.Counter",
)

_KNOWN = {*_BUILDERS, *STORAGES, *UNTYPED, *_INERT, _TENSOR.name, _PARAMETER.name}


def is_known(module: str, name: str) -> bool:
    """Whether weights need this name."""
    is_dtype = module == "torch" and from_torch_name(name) is not None
    return f"{module}.{name}" in _KNOWN or is_dtype
