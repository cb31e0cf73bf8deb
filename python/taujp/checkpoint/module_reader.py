"""Reads the pickle of a whole module without its classes: every object becomes an inert record.

Where pickle_reader.py refuses a name that weights do not need, here any name is taken, and stands
for nothing but itself: calling it, or making an instance of it, gives a record that keeps the
state the file has for it. Nothing is imported, and no function of the file's or of Python's runs.
"""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

from .pickle_reader import Reader
from .pickle_records import Global, StateDict, is_known, short


class Foreign:
    """A class or function that the file names; it cannot be called."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Record:
    """An instance of a foreign class, or what a foreign function would have returned.

    arguments: what it was made of. state: what the file sets in it (of a module its attributes).
    """

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.name, self.arguments = name, arguments
        self.state: dict[str, Any] = {}


class ModuleReader(Reader):
    """As Reader, with inert records for what it does not know."""

    def find_class(self, module: str, name: str) -> Global | Foreign:
        """The record that stands for a name."""
        known = is_known(module, name)
        return super().find_class(module, name) if known else Foreign(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """A storage, or (in the old format) a class with its source text, which is dropped."""
        if len(pid) == 4 and pid[0] == "module":
            return pid[1]
        return super().persistent_load(pid)

    def load_reduce(self) -> None:
        """A call."""
        arguments = self.stack.pop()
        self.stack[-1] = _made(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        """A new instance."""
        arguments, kind = self.stack.pop(), self.stack.pop()
        self.append(_made(kind, arguments))

    def load_newobj_ex(self) -> None:
        """A new instance with keywords, which a record has no use for."""
        _keywords, arguments, kind = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.append(_made(kind, arguments))

    def _instantiate(self, kind: Any, arguments: list[Any]) -> None:
        """An instance as protocol 0 writes it."""
        self.append(_made(kind, tuple(arguments)))

    def load_build(self) -> None:
        """The state of an instance: kept in a record, dropped for the rest; never a call."""
        state, instance = self.stack.pop(), self.stack[-1]
        parts = state if isinstance(state, tuple) else (state,)
        if isinstance(instance, Record):
            for part in parts:
                if isinstance(part, dict):
                    instance.state.update(part)
        elif not isinstance(instance, StateDict):
            raise ValueError(f"a state for {short(instance)}; expected an instance of a class")

    def load_append(self) -> None:
        """list.append(value)."""
        value = self.stack.pop()
        self._extend(self.stack[-1], [value])

    def load_appends(self) -> None:
        """The same for several values."""
        values = self.pop_mark()
        self._extend(self.stack[-1], values)

    def load_additems(self) -> None:
        """The members of a set."""
        if not isinstance(self.stack[-1], Record):
            super().load_additems()

    def _extend(self, target: Any, values: list[Any]) -> None:
        if type(target) is list:
            target.extend(values)
        elif not isinstance(target, Record):  # a record of a subclass of list: of no use
            raise ValueError(f"values for {short(target)}; expected a list")

    def _set(self, target: Any, pairs: list[Any]) -> None:
        if isinstance(target, dict):
            super()._set(target, pairs)
        elif not isinstance(target, Record):
            raise ValueError(f"items for {short(target)}; expected a dict")

    dispatch: ClassVar[dict[int, Any]] = {
        **Reader.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.ADDITEMS[0]: load_additems,
    }


def _made(kind: Any, arguments: Any) -> Any:
    if not isinstance(arguments, tuple):
        raise ValueError(f"arguments {short(arguments)}; expected a tuple")
    if isinstance(kind, Foreign | Record):
        return Record(kind.name, arguments)
    if isinstance(kind, Global):
        return kind(*arguments)
    raise ValueError(f"a call of {short(kind)}; expected a named class or function")
