"""Fine-tuning of one encoder on all tasks at once: the baseline that addition is measured against.

loss = mean over tasks t of cross_entropy(head_t(features), labels), over as many images of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import ConcatDataset, Dataset

from taujp.train.batch import Batch
from taujp.train.batches import endless_batches
from taujp.train.device import copy_for, make_fabric
from taujp.train.log import Logger
from taujp.train.modes import Mode, make_learner
from taujp.train.optimiser import Group
from taujp.train.recipe import Recipe
from taujp.train.run import Finetuned, Output, run
from taujp.train.run_settings import compared_settings, told_settings

Tasks: TypeAlias = Mapping[str, tuple[nn.Module, Dataset[Any]]]  # name: its head and images


class JointClassification:
    """What fine-tuning on several tasks minimises: the objective of `finetune_jointly`.

    Row i of a batch is of task i mod T, so equal parts of a batch have all tasks in equal shares.
    """

    def __init__(self, learner: Any, tasks: Tasks, recipe: Recipe, *, workers: int = 0) -> None:
        _check(tasks, recipe)
        self.learner, self.tasks, self.recipe = learner, dict(tasks), recipe
        self._workers = workers
        self._batches: list[Iterator[tuple[Tensor, Tensor]]] = []

    def groups(self) -> list[Group]:
        """One group: what the learner's mode trains."""
        trained = [value for value in self.learner.parameters() if value.requires_grad]
        return [Group("gradient_norm", trained, self.recipe.learning_rate)]

    def open(self, *, start: int, part: int, parts: int) -> None:
        """Goes to step `start` of every task's batches."""
        self._batches = [
            endless_batches(
                train,
                self.recipe.batch_size // len(self.tasks),
                seed=self.recipe.seed + index,
                start=start,
                part=part,
                parts=parts,
                workers=self._workers,
                name=f"task '{name}'",
            )
            for index, (name, (_, train)) in enumerate(self.tasks.items())
        ]

    def batch(self, step: int) -> Batch:
        """The step's images of all tasks in turn, each with its own task's label."""
        drawn = [next(batches) for batches in self._batches]
        shapes = {
            name: tuple(images.shape[1:])
            for name, (images, _) in zip(self.tasks, drawn, strict=True)
        }
        if len(set(shapes.values())) > 1:
            raise ValueError(
                f"finetune_jointly: images have the shapes {shapes}; expected one and the same; "
                "give all data sets the model's transform"
            )
        images, labels = (
            torch.stack(column, 1).flatten(0, 1) for column in zip(*drawn, strict=True)
        )
        return Batch(images, labels)

    def terms(self, output: Any, batch: Batch) -> dict[str, Tensor]:
        """The loss, and each task's cross-entropy."""
        features, _ = output
        count = len(self.tasks)
        parts = {
            f"cross_entropy_{name}": functional.cross_entropy(
                head(features[index::count]),
                batch.labels[index::count],
                label_smoothing=self.recipe.label_smoothing,
            )
            for index, (name, (head, _)) in enumerate(self.tasks.items())
        }
        return {"loss": torch.stack(list(parts.values())).mean(), **parts}


def finetune_jointly(
    model: Any,
    tasks: Tasks,
    recipe: Recipe | None = None,
    *,
    mode: Mode = "standard",
    trainable: str | Sequence[str] | None = None,
    rank: int | None = None,
    chunk: int | None = None,
    out: str | Path | None = None,
    log: str | Path | None = None,
    loggers: Sequence[Logger] = (),
    configuration: Mapping[str, Any] | None = None,
    workers: int = 0,
    progress: bool = True,
    resume: bool = True,
    fabric: Any = None,
) -> Finetuned:
    """Multi-task training of one encoder, each task under its own frozen head.

    tasks: {name: (head, training images)}. Every step has recipe.batch_size images, the same
    number of every task. Everything else is as in `finetune`; there are no penalties. The
    checkpoint stands for every task in `single_task`. ValueError where the batch cannot be shared
    out evenly, or a task has fewer images than its share.
    """
    recipe = recipe or Recipe()
    fabric = fabric or make_fabric(next(model.parameters()).device)
    encoder = copy_for(model.visual, fabric)
    tasks = {name: (copy_for(head, fabric), train) for name, (head, train) in tasks.items()}
    learner = make_learner(encoder, mode, trainable=trainable, rank=rank, chunk=chunk)
    objective = JointClassification(learner, tasks, recipe, workers=workers)
    told = told_settings(
        mode,
        recipe,
        trainable=trainable,
        rank=rank,
        configuration=configuration,
        objective="joint",
        tasks={name: len(train) for name, (_, train) in tasks.items()},  # type: ignore[arg-type]
    )
    compared = compared_settings(
        told,
        fabric=fabric,
        train=ConcatDataset([train for _, train in tasks.values()]),
        encoder=encoder,
        head=nn.ModuleList([head for head, _ in tasks.values()]),
        chunk=chunk,
    )
    output = Output.at(out, log, loggers=loggers, progress=progress, resume=resume)
    return run(fabric, objective, recipe, output, told=told, compared=compared)


def _check(tasks: Tasks, recipe: Recipe) -> None:
    """Every part of a batch has room for all tasks, and every task fills its share."""
    if not tasks:
        raise ValueError("finetune_jointly: tasks is empty; expected at least one")
    size, unit = recipe.batch_size, len(tasks) * recipe.accumulate
    if size % unit:
        raise ValueError(
            f"finetune_jointly: batch_size is {size} for {len(tasks)} tasks and accumulate "
            f"{recipe.accumulate}; expected a multiple of {unit}; choose another batch size"
        )
    counts = {name: len(train) for name, (_, train) in tasks.items()}  # type: ignore[arg-type]
    small = {name: count for name, count in counts.items() if count < size // len(tasks)}
    if small:
        raise ValueError(
            f"finetune_jointly: too few training images: {small}; expected at least "
            f"{size // len(tasks)} of each task, its share of a batch; choose a smaller batch size"
        )
