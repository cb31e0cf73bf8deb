"""What `taujp data check` finds wrong: the file, what it is, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

LISTED = 20  # faults of one kind that are named one by one


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a data set; `file` is relative to the root where it can be."""

    file: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}: {self.found}; {self.advice}"


def fault_of(error: Exception, root: Path, otherwise: str) -> Fault:
    """The fault that a layout's error tells: "operation: what is wrong; what was expected; advice".

    Its file is the first quoted path; `otherwise` where the error names none.
    """
    if isinstance(error, OSError) and error.filename:
        file, told = str(error.filename), f"the file cannot be read ({error.strerror})"
        return Fault(_below(file, root), told, "restore it, or unpack the data set again")
    message = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    quoted = [name for name in re.findall(r"'([^']+)'", message) if re.search(r"[/.]", name)]
    found, *rest = re.sub(r"^\w+: ", "", message).split("; ")
    expected = f"; {rest.pop(0)}" if len(rest) > 1 else ""
    advice = "; ".join(rest) or "restore the data set from its download"
    return Fault(_below(quoted[0], root) if quoted else otherwise, found + expected, advice)


def _below(file: str, root: Path) -> str:
    """The path relative to the root, where it lies below it."""
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file


def first_of(faults: Iterator[Fault], what: str) -> list[Fault]:
    """The first LISTED faults, and one that counts the others (`what` they are)."""
    listed = list(islice(faults, LISTED))
    rest = sum(1 for _ in faults)
    if rest:
        told = f"{rest} more {what} are not listed"
        listed.append(Fault(listed[-1].file, told, "mend those listed, then check again"))
    return listed
