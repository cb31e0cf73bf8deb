"""The tensors of a pickled module by the names that its state_dict() would have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .entries import CheckpointError
from .module_reader import Record
from .pickle_records import View

MOST_MODULES, DEEPEST = 1_000_000, 1_000


def tensors_of(content: Any, path: str) -> dict[str, View]:
    """Tensors by dotted name, in the order of state_dict(), of a module or of nested dicts.

    `content`: what ModuleReader gave. Parameters, and buffers that are not marked as not
    persistent; what dicts hold beside tensors, modules and dicts is left out.
    CheckpointError for a module within itself, a name that stands for two tensors, a parameter
    that is no plain tensor, and where there is no tensor at all.
    """
    found: dict[str, View] = {}
    for visited, (name, value) in enumerate(_walk(content, path)):
        if visited > MOST_MODULES:
            raise _error(path, f"holds more than {MOST_MODULES} modules and tensors")
        if name in found:
            raise _error(path, f"has two tensors of the name {name!r}")
        if isinstance(value, View):
            found[name] = value
    if not found:
        raise _error(path, "holds no tensor in a module or a dict")
    return found


def _walk(content: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Everything within `content`, parents before children, children in order."""
    waiting: list[tuple[str, Any, tuple[int, ...]]] = [("", content, ())]
    while waiting:
        name, value, above = waiting.pop()
        yield name, value
        if id(value) in above or len(above) > DEEPEST:
            raise _error(path, f"holds modules within themselves, at {name[:80]!r}")
        inside = list(_members(value, name, path).items())
        waiting += [
            (f"{name}.{key}" if name else key, member, (*above, id(value)))
            for key, member in reversed(inside)
        ]


def _members(value: Any, name: str, path: str) -> Mapping[str, Any]:
    """What is directly within a module or a dict."""
    if isinstance(value, Record) and "_modules" in value.state:
        return _of_module(value, name, path)
    if isinstance(value, dict):
        kinds = (View, Record, dict)
        return {
            key: member
            for key, member in value.items()
            if type(key) is str and isinstance(member, kinds)
        }
    return {}


def _of_module(module: Record, name: str, path: str) -> dict[str, Any]:
    """A module's own parameters, buffers and children."""
    passing = _passing_buffers(module)
    own: dict[str, Any] = {}
    for kind in ("_parameters", "_buffers"):
        for key, value in _dict(module, kind, path).items():
            if value is None or (kind == "_buffers" and key in passing):
                continue
            if not isinstance(value, View):
                what = value.name if isinstance(value, Record) else type(value).__name__
                raise _error(path, f"has a {what} as '{name}.{key}'; expected a plain tensor")
            own[key] = value
    children = _dict(module, "_modules", path)
    return {**own, **{key: child for key, child in children.items() if child is not None}}


def _passing_buffers(module: Record) -> set[Any]:
    """Names of the buffers that state_dict() leaves out: a set, itself a record of a list."""
    marked = module.state.get("_non_persistent_buffers_set", ())
    if isinstance(marked, Record):
        marked = marked.arguments[0] if marked.arguments else ()
    return {name for name in marked if type(name) is str} if _plain(marked) else set()


def _plain(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def _dict(module: Record, kind: str, path: str) -> dict[str, Any]:
    found = module.state.get(kind, {})
    if not isinstance(found, dict) or any(type(key) is not str for key in found):
        raise _error(path, f"has a {module.name} whose {kind} are no dict of names")
    return found


def _error(path: str, what: str) -> CheckpointError:
    return CheckpointError(
        f"open_module: {path!r} {what}; expected a module, or a dict with tensors, as torch.save "
        "writes them; where its code is at home save model.state_dict() instead"
    )
