"""Checks that checkpoints are of one model, and lists all that speaks against it at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .dtypes import FLOATING, INTEGERS
from .entries import Checkpoint, CheckpointError, Entry
from .tensors import raw_bytes, same_bytes

SHOWN = 40
MERGING = (
    "rename= (--rename) maps names, prefix= (--prefix) merges a part of the model, "
    "missing='ignore' (--missing ignore) leaves out what is not in all of them"
)


@dataclass(frozen=True)
class Agreement:
    """`names`: the floating tensors to merge; `integers`: those that must be equal. Both sorted.

    Of names that the base ties (share one storage) only the first is among them.
    """

    names: tuple[str, ...]
    integers: tuple[str, ...]


def check_agreement(
    base: Checkpoint | None,
    checkpoints: Sequence[Checkpoint],
    *,
    names: Iterable[str] | None = None,
    missing: str = "error",
    operation: str = "merge",
    advice: str = MERGING,
) -> Agreement:
    """Which tensors can be merged; call it before any of the work.

    Every checkpoint is compared with the base, or with the first one where there is no base.

    Args:
      names: look only at these; default: all.
      missing: "error", or "ignore" to leave out what one of them lacks.
      operation, advice: what the error says is refused, and what to do.

    Raises: CheckpointError with one line for each disagreement: names that are missing or extra,
    shapes, floating against integer, types that cannot be merged, tensors tied here and not there.
    """
    reference, others = _compared(base, checkpoints)
    wanted = _wanted(reference, names)
    in_all = [n for n in wanted if all(_has(other, n, reference) for other in others)]
    lines: list[str] = []
    if missing == "error":
        lines += _missing(reference, others, wanted)
        lines += _extra(reference, others) if names is None else []
    firsts = [n for n in in_all if reference.ties.get(n, n) == n]
    lines += _tied_outside(reference, wanted)
    for name in firsts:
        lines += _differences(reference, others, name)
    lines += _ties_broken([reference, *others], set(wanted))
    _raise_all(reference, lines, operation, advice)
    floating = [n for n in firsts if reference.entries[n].floating]
    integers = [n for n in firsts if reference.entries[n].dtype in INTEGERS]
    return Agreement(tuple(sorted(floating)), tuple(sorted(integers)))


def _compared(
    base: Checkpoint | None, checkpoints: Sequence[Checkpoint]
) -> tuple[Checkpoint, Sequence[Checkpoint]]:
    if base is not None:
        return base, checkpoints
    if not checkpoints:
        raise CheckpointError("merge: no checkpoint came; expected at least one")
    return checkpoints[0], checkpoints[1:]


def _wanted(reference: Checkpoint, names: Iterable[str] | None) -> list[str]:
    if names is None:
        return list(reference.entries)
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in reference.entries]
    if unknown:
        raise CheckpointError(
            f"merge: {reference.label} has no tensors {unknown[:10]}; check names="
        )
    return wanted


def _has(checkpoint: Checkpoint, name: str, reference: Checkpoint) -> bool:
    """A tied name may be left out, as transformers does when it saves: its first stands for it."""
    return name in checkpoint.entries or reference.ties.get(name) in checkpoint.entries


def _missing(
    reference: Checkpoint, others: Sequence[Checkpoint], wanted: list[str]
) -> Iterator[str]:
    for other in others:
        for name in wanted:
            if not _has(other, name, reference):
                aliases = (n for n, first in reference.ties.items() if first == name)
                alias = next((n for n in aliases if n in other.entries), None)
                hint = f" (but {alias!r}, which is tied to it: rename it)" if alias else ""
                yield f"{other.label} lacks {name!r}{hint}; {reference.label} has it"


def _extra(reference: Checkpoint, others: Sequence[Checkpoint]) -> Iterator[str]:
    for other in others:
        for name in other.entries:
            if name not in reference.entries and other.ties.get(name) not in reference.entries:
                yield f"{other.label} has {name!r}; {reference.label} does not"


def _tied_outside(reference: Checkpoint, names: list[str]) -> Iterator[str]:
    inside = set(names)
    for name, first in reference.ties.items():
        if (name in inside) != (first in inside):
            chosen, other = (name, first) if name in inside else (first, name)
            yield (
                f"{chosen!r} is to be merged and {other!r} is not, but {reference.label} keeps "
                f"both in one storage; merge both or neither"
            )


def _differences(reference: Checkpoint, others: Sequence[Checkpoint], name: str) -> Iterator[str]:
    expected = reference.entries[name]
    if expected.dtype not in FLOATING | INTEGERS:
        yield _unsupported(reference, expected)
    for other in others:
        entry = other.entries[name]
        if entry.shape != expected.shape:
            yield (
                f"{other.label} has {name!r} of shape {entry.shape}; {reference.label} has "
                f"{expected.shape}"
            )
        if entry.dtype not in FLOATING | INTEGERS:
            yield _unsupported(other, entry)
        elif entry.dtype != expected.dtype and not (entry.floating and expected.floating):
            yield (
                f"{other.label} has {name!r} of type {entry.dtype}; {reference.label} has "
                f"{expected.dtype}"
            )


def _unsupported(checkpoint: Checkpoint, entry: Entry) -> str:
    return (
        f"{checkpoint.label} has {entry.name!r} of type {entry.dtype}; F32, F16 and BF16 can be "
        f"merged: cast it first"
    )


def _ties_broken(checkpoints: Sequence[Checkpoint], wanted: set[str]) -> Iterator[str]:
    """What one keeps in one storage, another may keep twice, but not with different numbers."""
    for tying in checkpoints:
        for name, first in tying.ties.items():
            for other in checkpoints:
                if name in wanted and first in wanted and not _equal(other, name, first):
                    yield (
                        f"{other.label} has different numbers in {name!r} and {first!r}; "
                        f"{tying.label} keeps both in one storage"
                    )


def _equal(checkpoint: Checkpoint, name: str, first: str) -> bool:
    a, b = checkpoint.entries.get(name), checkpoint.entries.get(first)
    ties = checkpoint.ties
    if a is None or b is None or ties.get(name, name) == ties.get(first, first):
        return True
    same_kind = (a.dtype, a.shape) == (b.dtype, b.shape)
    return same_kind and same_bytes(raw_bytes(checkpoint, a), raw_bytes(checkpoint, b))


def _raise_all(reference: Checkpoint, lines: Sequence[str], operation: str, advice: str) -> None:
    if lines:
        places = "place" if len(lines) == 1 else "places"
        raise CheckpointError(
            f"{operation}: the checkpoints disagree with {reference.label} in {len(lines)} "
            f"{places}:{listed(lines)}\n{advice}"
        )


def listed(lines: Sequence[str]) -> str:
    """The lines below each other, the first 40 of them."""
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "".join(f"\n  {line}" for line in [*lines[:SHOWN], *more])
