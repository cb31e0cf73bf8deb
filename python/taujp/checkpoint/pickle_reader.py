"""Reads the pickle inside a torch file without running anything that it names.

A pickle is a program: it names functions ("globals") and calls them. Here every permitted name
stands for an immutable record whose call makes another plain record; any other name is refused.
Nothing is imported and no torch function runs, so there is no code that a file could reach.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, NamedTuple, NoReturn

from .dtypes import from_torch_name
from .entries import CheckpointError


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


class StateDict(dict[str, Any]):
    """An OrderedDict of the file; attributes such as `_metadata` are left out."""

    __slots__ = ()

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
        raise ValueError(f"a tensor with storage {storage!r}, shape {shape!r}, strides {strides!r}")
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
        raise ValueError(f"a tensor of dtype {dtype!r}")
    return _view(storage, offset, shape, strides, dtype=name)


def _with_attributes(rebuild: Any, kind: Any, arguments: Any, _state: Any) -> Any:
    if not isinstance(rebuild, Global) or kind not in (_TENSOR, _PARAMETER):
        raise ValueError(f"a tensor of class {kind!r}")
    return rebuild(*arguments)


_TENSOR, _PARAMETER = Global("torch.Tensor"), Global("torch.nn.parameter.Parameter")
_BUILDERS: dict[str, Any] = {
    "collections.OrderedDict": lambda *pairs: StateDict(*pairs),
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_tensor_v3": _view_of_bytes,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": _with_attributes,
}
_STORAGES = {
    f"torch.{kind}Storage": dtype
    for kind, dtype in {
        "Float": "F32", "Half": "F16", "BFloat16": "BF16", "Double": "F64", "Long": "I64",
        "Int": "I32", "Short": "I16", "Char": "I8", "Byte": "U8", "Bool": "BOOL",
        "ComplexFloat": "C64", "ComplexDouble": "C128",
    }.items()
}  # fmt: skip
_UNTYPED = ("torch.storage.UntypedStorage", "torch.UntypedStorage")
_INERT = (
    "torch.device",
    "torch.serialization._get_layout",
    "_codecs.encode",
    "collections.Counter",
)

_KNOWN = {*_BUILDERS, *_STORAGES, *_UNTYPED, *_INERT, _TENSOR.name, _PARAMETER.name}


# The unpickler in Python: the one in C gives a file with one large memo index all of the memory.
class _Reader(pickle._Unpickler):
    def __init__(self, data: bytes, path: str) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._path = path

    def find_class(self, module: str, name: str) -> Global:
        found = Global(f"{module}.{name}")
        is_dtype = module == "torch" and from_torch_name(name) is not None
        if found.name not in _KNOWN and not is_dtype:
            _refuse(self._path, found.name)
        return found

    def persistent_load(self, pid: Any) -> Storage:
        kind, storage, key, _device, size = pid
        if kind != "storage" or not isinstance(storage, Global) or type(size) is not int:
            raise ValueError(f"a reference to {pid!r}; expected a storage")
        if storage.name not in _STORAGES and storage.name not in _UNTYPED:
            raise ValueError(f"a storage of class {storage.name!r}")
        return Storage(str(key), _STORAGES.get(storage.name), size)


def _refuse(path: str, name: str) -> NoReturn:
    sparse = (
        " (sparse and quantised tensors cannot be merged)"
        if name.startswith("torch._utils")
        else ""
    )
    raise CheckpointError(
        f"open_checkpoint: {path!r} contains code: it calls for {name!r}, and a file of weights "
        f"needs only tensors, dicts, lists, numbers and strings{sparse}. It was not run. If you "
        f"trust the file, load it where its code is at home and save only the weights: "
        f"safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
    )


def read_pickle(data: bytes, path: str) -> Any:
    """The pickled object with `View`s for its tensors; a CheckpointError for anything but data."""
    try:
        return _Reader(data, path).load()
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way at all
        raise CheckpointError(
            f"open_checkpoint: {path!r}: its pickle is damaged or not of a plain state dict "
            f"({type(error).__name__}: {error}); save it again with torch.save(model.state_dict())"
        ) from error
