"""Scores that were computed once and are asked for by several protocols."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from taujp.evaluate.coefficient_rows import Coefficients, moving
from taujp.evaluate.outputs import Outputs, score
from taujp.evaluate.task_scores import Scores
from taujp.train.prepare import PreparedTask


class KeptScores:
    """For one set of models: scores by task, split and row of coefficients.

    Another data set under the same name is not what was kept.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Any, dict[Hashable, Scores]]] = {}

    def of(
        self,
        keys: Sequence[Hashable],
        task: PreparedTask,
        split: str,
        compute: Callable[[list[int]], Iterable[Outputs]],
    ) -> list[Scores]:
        """The scores of all keys; `compute` gives the outputs of the positions still wanted."""
        dataset, place = getattr(task.splits, split), (task.name, split)
        if place not in self._kept or self._kept[place][0] is not dataset:
            self._kept[place] = dataset, {}
        found = self._kept[place][1]
        missing = list(dict.fromkeys(key for key in keys if key not in found))
        if missing:
            outputs = iter(compute([keys.index(key) for key in missing]))
            for key, one in zip(missing, outputs, strict=True):
                found[key] = score(one, task.scorer, reliability=split == "test")
        return [found[key] for key in keys]

    def of_rows(
        self,
        rows: Sequence[Coefficients],
        task: PreparedTask,
        split: str,
        outputs: Callable[[list[Coefficients], PreparedTask, Any], Iterable[Outputs]],
    ) -> list[Scores]:
        """The scores of all rows; `outputs` gives those of the rows still wanted."""
        return self.of(
            [key_of(row) for row in rows],
            task,
            split,
            lambda wanted: outputs([rows[index] for index in wanted], task, split),
        )


def key_of(row: Coefficients) -> Hashable:
    """A row's numbers without its zeros, in one order."""
    return tuple(sorted((name, *_numbers(value)) for name, value in moving(row).items()))


def _numbers(value: float | Mapping[str, float]) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield tuple(sorted((layer, float(one)) for layer, one in value.items() if one))
    else:
        yield (("", float(value)),)
