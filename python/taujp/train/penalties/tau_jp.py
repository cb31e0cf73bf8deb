"""The tauJp penalty: keep the features of other tasks' images where they are, to first order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.utils.data import Dataset

from taujp.tangent.linearized import Linearized
from taujp.tangent.row_norm import row_norm
from taujp.train.batches import endless_batches

Schedule = Literal["strict", "cyclic"]
Images = Iterator[tuple[Tensor, Tensor]]


class TauJp:
    """mean over control tasks of mean over their images x of || J(x; theta0) (theta - theta0) ||.

    control: the data sets of the control tasks by name. weight: 0.1 in the paper.
    schedule: "strict" draws `batch_size` images of every control task each step; "cyclic" only of
    task (step mod tasks), at a fraction of the cost. squared: of ||.||^2 instead; at tau = 0 the
    norm's gradient is 0. Every task is drawn with a seed of its own, from `seed` on.

    ValueError for no control task, an empty one, or an unknown schedule.
    Source: Yoshida et al. 2025, "Mastering task arithmetic: tauJp as a key indicator for weight
    disentanglement".
    """

    name = "tau_jp"

    def __init__(
        self,
        control: Mapping[str, Dataset[Any]],
        *,
        weight: float = 0.1,
        schedule: Schedule = "strict",
        batch_size: int = 16,
        squared: bool = False,
        seed: int = 0,
    ) -> None:
        if not control:
            raise ValueError(
                "TauJp: no control task came; expected at least one; for the first task of a "
                "sequence use TauJp.past"
            )
        if schedule not in get_args(Schedule):
            raise ValueError(
                f"TauJp: schedule is {schedule!r}; expected one of {list(get_args(Schedule))}"
            )
        self.sets = dict(control)
        self.weight, self.schedule, self.squared = weight, schedule, squared
        self.batch_size, self.seed = batch_size, seed
        self._images: dict[str, Images] = {}
        self._next = -1  # not opened
        for task, dataset in self.sets.items():
            if not len(dataset):  # type: ignore[arg-type]
                raise ValueError(
                    f"TauJp: control task '{task}' has no images; expected at least one; check "
                    "its folder"
                )

    @classmethod
    def past(
        cls,
        order: Sequence[str],
        current: str,
        datasets: Mapping[str, Dataset[Any]],
        **options: Any,
    ) -> TauJp | NoPast:
        """For tasks that arrive one after another: only those before `current` are control tasks.

        The first task has none: its penalty is zero. options: those of TauJp.
        """
        if current not in order:
            raise ValueError(
                f"TauJp.past: '{current}' is not in the order {list(order)}; expected one of them"
            )
        earlier = list(order)[: list(order).index(current)]
        missing = [task for task in earlier if task not in datasets]
        if missing:
            raise ValueError(
                f"TauJp.past: no data set for {missing}; expected one for each task before "
                f"'{current}'"
            )
        if not earlier:
            return NoPast(options.get("weight", 0.1))
        return cls({task: datasets[task] for task in earlier}, **options)

    def tasks_at(self, step: int) -> tuple[str, ...]:
        """The control tasks whose images step `step` needs."""
        tasks = tuple(self.sets)
        return tasks if self.schedule == "strict" else (tasks[step % len(tasks)],)

    def open(self, *, start: int, part: int, parts: int, workers: int) -> None:
        """Starts each task's images where `start` steps have left them."""
        self._next = start
        self._images = {
            task: endless_batches(
                dataset,
                self.batch_size,
                seed=self.seed + index,
                start=self._drawn_before(start, index),
                part=part,
                parts=parts,
                workers=workers,
                name=f"control task '{task}'",
            )
            for index, (task, dataset) in enumerate(self.sets.items())
        }

    def control(self, step: int) -> dict[str, Tensor]:
        """Images [batch_size / parts, ...] of each task of this step; steps come in order."""
        if step != self._next:
            raise ValueError(
                f"TauJp: step {step} came and {self._next} was expected; call open(start={step}) "
                "before it"
            )
        self._next += 1
        return {task: next(self._images[task])[0] for task in self.tasks_at(step)}

    def value(self, tangents: dict[str, Tensor], lin: Linearized) -> Tensor:
        """mean over tasks of the mean over rows of || df || or || df ||^2."""
        measure = _squares if self.squared else _norms
        return torch.stack([measure(df).mean() for df in tangents.values()]).mean()

    def _drawn_before(self, start: int, index: int) -> int:
        """How many batches of the index-th task the steps before `start` have drawn."""
        if self.schedule == "strict":
            return start
        return max(0, -(-(start - index) // len(self.sets)))


class NoPast:
    """The penalty of the first task of a sequence: there is nothing to keep yet, so it is 0."""

    name = "tau_jp"

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def open(self, *, start: int, part: int, parts: int, workers: int) -> None:
        """Nothing to start."""

    def control(self, step: int) -> dict[str, Tensor]:
        """No images."""
        return {}

    def value(self, tangents: dict[str, Tensor], lin: Linearized) -> Tensor:
        """0, on the model's device."""
        return next(iter(lin.theta0.values())).new_zeros(())


def _norms(df: Tensor) -> Tensor:
    """[rows] in fp32 at least; the gradient is 0 where the norm is."""
    return row_norm(_precise(df).flatten(1))


def _squares(df: Tensor) -> Tensor:
    return _precise(df).flatten(1).square().sum(1)


def _precise(df: Tensor) -> Tensor:
    return df.to(torch.promote_types(df.dtype, torch.float32))
