"""What was gathered from data, as an option of a merge method: one set for each checkpoint."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from taujp.checkpoint import Checkpoint, open_checkpoint, tensor_of

from .errors import MergeError

if TYPE_CHECKING:
    from torch import Tensor

    from .parameter import Parameter
    from .prepare import Merge

KIND, SETTINGS = "taujp.kind", "taujp.settings"
STATISTICS = ("fisher", "grams")
Shape = tuple[int, ...]
ShapeOf = Callable[[str, Shape], "Shape | None"]


class Gathered:
    """The sets of one kind for N checkpoints, checked against the parameters at the first of them.

    shape_of: (the parameter's name and shape) to that of its statistic, None where it has none.
    """

    def __init__(self, option: str, sets: tuple[Checkpoint, ...], shape_of: ShapeOf) -> None:
        self.sets = sets
        # How each was gathered; empty where it does not say.
        self.settings = tuple(json.loads(one.metadata.get(SETTINGS, "{}")) for one in sets)
        self._option, self._shape_of = option, shape_of
        self._covered: set[str] | None = None  # until the first parameter is there

    @property
    def told(self) -> Mapping[str, Any]:
        """What an output's metadata says of them in the option's place."""
        return {self._option: [_told(one) for one in self.sets]}

    @property
    def in_memory(self) -> bool:
        """Whether a set is in memory, so that no later run can know that it is the same."""
        return any(not one.files for one in self.sets)

    def covers(self, parameter: Parameter) -> bool:
        """Whether there are statistics of it; what has none is told once."""
        if self._covered is None:
            self._covered = self._check(parameter.merge)
        return parameter.name in self._covered

    def of(self, parameter: Parameter, checkpoint: int) -> Tensor:
        """The statistic of a whole parameter in one set, as it is stored and where it is."""
        return tensor_of(self.sets[checkpoint], parameter.name)

    def _check(self, merge: Merge) -> set[str]:
        """What all sets have; all disagreements of shapes at once, a warning of what they lack."""
        covered: set[str] = set()
        wrong, without = [], []
        for name in merge.names:
            shape = self._shape_of(name, merge.donor.entries[name].shape)
            if shape is None:
                continue
            found = [one.entries[name].shape for one in self.sets if name in one.entries]
            wrong += [f"{name!r} of shape {came}, not {shape}" for came in found if came != shape]
            if len(found) == len(self.sets):
                covered.add(name)
            else:
                without.append(name)
        if wrong:
            raise MergeError(
                f"{self._option} has {'; '.join(wrong[:10])}; gather it on the models that are "
                "merged"
            )
        if not covered:
            raise MergeError(
                f"{self._option} has none of the parameters {list(merge.names)[:3]}, but "
                f"{list(self.sets[0].entries)[:3]}; gather it on the models that are merged"
            )
        self._tell(merge, without)
        return covered

    def _tell(self, merge: Merge, without: Sequence[str]) -> None:
        if without:
            warnings.warn(
                f"{merge.method}: {len(without)} parameters are not in all of {self._option} and "
                f"get the weighted average: {', '.join(without[:5])}"
                f"{', ...' * (len(without) > 5)}; prefix= (--prefix) leaves parts of a model out",
                stacklevel=2,
            )


def gathered(
    option: str,
    kind: str,
    sources: Any,
    checkpoints: int,
    shape_of: ShapeOf,
) -> Gathered:
    """Opens the sets: paths, Statistics, or state dicts by parameter."""
    how = f"one of taujp.gather_{kind} or `taujp statistics {kind}` for each checkpoint"
    if sources is None:
        raise MergeError(f"{option} is missing; expected {checkpoints}: {how}")
    if isinstance(sources, str | os.PathLike | Mapping) or not isinstance(sources, Iterable):
        sources = [sources]
    opened = tuple(_opened(option, kind, i, one) for i, one in enumerate(sources))
    if len(opened) != checkpoints:
        raise MergeError(f"{option} has {len(opened)} sets for {checkpoints} checkpoints; {how}")
    return Gathered(option, opened, shape_of)


def plain_average(row: tuple[float, ...]) -> tuple[float, ...]:
    """c_i / sum_i c_i; a MergeError for weights that make no average."""
    if min(row) < 0 or sum(row) <= 0:
        raise MergeError(
            f"coefs are {list(row)}; they weigh the statistics: expected none below 0, and one "
            "above"
        )
    return tuple(c / sum(row) for c in row)


def _opened(option: str, kind: str, position: int, source: Any) -> Checkpoint:
    label = f"{option} {position}"
    if hasattr(source, "tensors") and hasattr(source, "metadata"):  # Statistics
        found = replace(open_checkpoint(source.tensors, label=label), metadata=source.metadata)
    else:
        found = open_checkpoint(source, label=None if _is_path(source) else label)
    if found.metadata.get(KIND, kind) != kind:
        raise MergeError(
            f"{found.label} holds {found.metadata[KIND]!r}; expected {kind!r} statistics"
        )
    return found


def _told(one: Checkpoint) -> str:
    if not one.files:
        return "in memory"
    file = one.files[0]
    return f"{os.path.basename(file.path)}, {file.size} bytes of {file.mtime_ns} ns"


def _is_path(source: Any) -> bool:
    return isinstance(source, str | os.PathLike)
