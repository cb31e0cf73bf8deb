"""All parameters of a merge in pieces, for methods that must see the whole model beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .formula import SURVEYED
from .parameter import Inputs, Parameter, pieces
from .prepare import Merge


@dataclass(frozen=True)
class Survey:
    """Iterating reads every parameter once, in the merge's order; one piece is in memory."""

    merge: Merge
    inputs_of: Callable[[str], Inputs]

    def __iter__(self) -> Iterator[Parameter]:
        for name in self.merge.names:
            inputs = self.inputs_of(name)
            for first, count in pieces(self.merge.donor.entries[name].size, SURVEYED):
                yield Parameter(self.merge, name, (), inputs, (count,), first)

    @property
    def size(self) -> int:
        """Number of elements of all parameters."""
        return sum(self.merge.donor.entries[name].size for name in self.merge.names)


def surveyed(merge: Merge, inputs_of: Callable[[str], Inputs]) -> Any:
    """What the merge's formula finds out before it begins; None where it needs nothing.

    Raises NonfiniteInput, which names the parameter, where the merge does not allow it.
    """
    if merge.formula is None or merge.formula.survey is None:
        return None
    return merge.formula.survey(Survey(merge, inputs_of))
