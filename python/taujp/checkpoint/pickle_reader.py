"""Reads the pickle inside a torch file without running anything that it names.

A pickle is a program: it names functions ("globals") and calls them. Here every permitted name
stands for an immutable record whose call makes another plain record; any other name is refused.
Nothing is imported and no torch function runs, so there is no code that a file could reach.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, NoReturn

from .entries import CheckpointError
from .pickle_records import (
    STORAGES,
    UNTYPED,
    Global,
    Storage,
    check_key,
    is_known,
    short,
)


# The unpickler in Python: the one in C gives a file with one large memo index all of the memory.
class Reader(pickle._Unpickler):
    """Reads one pickle from `stream`; `path` is what errors call the file."""

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: BinaryIO, path: str) -> None:
        super().__init__(stream, encoding="utf-8")
        self._path = path
        self.storages: dict[str, Storage] = {}  # all that the pickle names

    def find_class(self, module: str, name: str) -> Any:
        """The record that stands for a permitted name."""
        found = Global(f"{module}.{name}")
        if not is_known(module, name):
            _refuse(self._path, found.name)
        return found

    def get_extension(self, code: int) -> NoReturn:
        """Extension codes name what this process has registered: no file's business."""
        raise ValueError(f"the extension code {code}; expected none")

    def load_setitem(self) -> None:
        """dict[key] = value."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        """The same for several pairs."""
        pairs = self.pop_mark()
        self._set(self.stack[-1], pairs)

    def load_dict(self) -> None:
        """A dict of pairs, as protocol 0 writes it."""
        filled: dict[Any, Any] = {}
        pairs = self.pop_mark()
        self._set(filled, pairs)
        self.append(filled)

    def load_additems(self) -> None:
        """Sets hold nothing that weights need; their members are checked and kept."""
        members = self.pop_mark()
        for member in members:
            check_key(member)
        self.stack[-1].update(members)

    def load_frozenset(self) -> None:
        """As load_additems."""
        members = self.pop_mark()
        for member in members:
            check_key(member)
        self.append(frozenset(members))

    def _set(self, target: Any, pairs: list[Any]) -> None:
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            check_key(key)
            target[key] = value

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
    }

    def persistent_load(self, pid: Any) -> Any:
        """A storage of tensors."""
        kind, storage, key, _device, size = pid[:5]
        plain = type(key) in (str, int) and type(size) is int
        if kind != "storage" or not isinstance(storage, Global) or not plain:
            raise ValueError(f"a reference to {short(pid)}; expected a storage")
        if pid[5:] not in ((), (None,)):  # the old format's views into other storages
            raise ValueError(f"a storage within another, {short(pid)}")
        if storage.name not in STORAGES and storage.name not in UNTYPED:
            raise ValueError(f"a storage of class {storage.name!r}")
        found = Storage(str(key), STORAGES.get(storage.name), size)
        return self.storages.setdefault(found.key, found)


def _refuse(path: str, name: str) -> NoReturn:
    sparse = (
        " (sparse and quantised tensors cannot be merged)"
        if name.startswith("torch._utils")
        else ""
    )
    raise CheckpointError(
        f"open_checkpoint: {path!r} contains code: it calls for {name!r}, and a file of weights "
        f"needs only tensors, dicts, lists, numbers and strings{sparse}. It was not run. "
        f"`taujp import` takes the weights out of a pickled module without running its code; or "
        f"load it where its code is at home and save only the weights: "
        f"safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
    )


def read_pickle(data: bytes, path: str) -> Any:
    """The pickled object with `View`s for its tensors; a CheckpointError for anything but data."""
    try:
        return Reader(io.BytesIO(data), path).load()
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way at all
        raise CheckpointError(
            f"open_checkpoint: {path!r}: its pickle is damaged or not of a plain state dict "
            f"({type(error).__name__}: {error}); save it again with torch.save(model.state_dict())"
        ) from error
