"""Results side by side: which of them are of the same thing, and where they come from otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taujp.evaluate.record import Record

SETTINGS = ("mode", "method", "options", "scheme", "rule", "keep", "vector", "training")
NAMES = ("target", "control", "tasks", "merged", "a", "b", "c", "d")


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a way's records, as of several seeds or protocols."""

    name: str
    records: tuple[Record, ...]


def by_subject(sides: Sequence[Side]) -> dict[str, list[Side]]:
    """{"addition: cars, dtd": the sides' records of that}, for what two sides or more have.

    Settings such as the method belong to the subject only where a side has several of them.
    ValueError where no two sides have anything in common.
    """
    key = subject if _once_a_seed(sides, subject) else subject_and_settings
    keys = dict.fromkeys(key(record) for side in sides for record in side.records)
    found = {each: [part for side in sides if (part := _part(side, each, key))] for each in keys}
    shared = {each: parts for each, parts in found.items() if len(parts) > 1}
    if not shared:
        told = {side.name: sorted({key(record) for record in side.records}) for side in sides}
        raise ValueError(
            f"compare: the sides have nothing in common: {told}; expected the same protocol on the "
            "same tasks; evaluate both sides alike"
        )
    return shared


def subject(record: Record) -> str:
    """What a record is of: "negation: mnist, cifar10"."""
    named = [getattr(record.result, name, ()) for name in NAMES]
    each = [one for names in named for one in ([names] if isinstance(names, str) else names)]
    return f"{record.kind}: {', '.join(getattr(one, 'task', one) for one in each)}".rstrip(": ")


def subject_and_settings(record: Record) -> str:
    """The subject and what else tells results of one protocol apart."""
    told = [f"{name} {value}" for name, value in _settings(record).items() if value]
    return f"{subject(record)} ({', '.join(told)})"


def other_origins(pairs: Iterable[tuple[Record, Record]]) -> list[str]:
    """In words: in what the second of each pair differs, figures apart; each thing once."""
    found: dict[str, None] = {}
    for first, second in pairs:
        a, b = first.provenance, second.provenance
        for name, one, other in (("model", a.model, b.model), ("seed", a.seed, b.seed)):
            if one != other:
                found[f"other {name}: {other} instead of {one}"] = None
        for name, olds, news in (
            ("data", a.data, b.data),
            ("checkpoints", a.checkpoints, b.checkpoints),
        ):
            found.update(dict.fromkeys(_digests(name, olds, news)))
        found.update(dict.fromkeys(_values("software", a.software, b.software)))
        found.update(dict.fromkeys(_values("settings", _settings(first), _settings(second))))
    return list(found)


def _once_a_seed(sides: Sequence[Side], key: Callable[[Record], str]) -> bool:
    every = [
        (side.name, key(record), record.provenance.seed)
        for side in sides
        for record in side.records
    ]
    return len(set(every)) == len(every)


def _part(side: Side, wanted: str, key: Callable[[Record], str]) -> Side | None:
    records = tuple(record for record in side.records if key(record) == wanted)
    return Side(side.name, records) if records else None


def _settings(record: Record) -> dict[str, Any]:
    return {name: getattr(record.result, name) for name in SETTINGS if hasattr(record.result, name)}


def _digests(name: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    other = [each for each in a if each in b and a[each] != b[each]]
    unknown = sorted((a.keys() | b.keys()) - (a.keys() & b.keys()))
    told = [f"other {name}: {', '.join(other)}"] if other else []
    return told + ([f"{name} of {', '.join(unknown)} unknown on one side"] if unknown else [])


def _values(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [
        f"other {name}: {each} {b.get(each)} instead of {a.get(each)}"
        for each in sorted(a.keys() | b.keys())
        if a.get(each) != b.get(each)
    ]
