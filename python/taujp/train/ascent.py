"""Gradient ascent on a task: the baseline that negation is measured against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from taujp.train.batch import Batch
from taujp.train.device import copy_for, make_fabric
from taujp.train.log import Logger
from taujp.train.modes import Mode, make_learner
from taujp.train.objective import PenalisedClassification
from taujp.train.recipe import Recipe
from taujp.train.run import Finetuned, Output, run
from taujp.train.run_settings import compared_settings, told_settings


class Ascent(PenalisedClassification):
    """loss = -cross_entropy(head(features), labels)."""

    def terms(self, output: Any, batch: Batch) -> dict[str, Tensor]:
        """What is minimised, and the cross-entropy, which rises."""
        found = super().terms(output, batch)["loss"]
        return {"loss": -found, "cross_entropy": found}


def ascend(
    model: Any,
    head: nn.Module,
    train: Dataset[Any],
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
    """Unlearns a task by raising its loss: `finetune` with the sign of the cross-entropy turned.

    Everything is as in `finetune`; there are no penalties. The loss has no bound, so `recipe.steps`
    alone says where it ends: few steps, or a small learning rate, spare the other tasks.
    The checkpoint is the model that has forgotten; `opposite_vector` of taujp.evaluate turns it
    into one for `negation(..., vector="gradient ascent")`. Source: Ilharco et al. 2023, section 3.
    """
    recipe = recipe or Recipe()
    fabric = fabric or make_fabric(next(model.parameters()).device)
    encoder, head = copy_for(model.visual, fabric), copy_for(head, fabric)
    learner = make_learner(encoder, mode, trainable=trainable, rank=rank, chunk=chunk)
    told = told_settings(
        mode,
        recipe,
        trainable=trainable,
        rank=rank,
        configuration=configuration,
        objective="gradient ascent",
    )
    compared = compared_settings(
        told, fabric=fabric, train=train, encoder=encoder, head=head, chunk=chunk
    )
    objective = Ascent(learner, head, train, recipe, workers=workers)
    output = Output.at(out, log, loggers=loggers, progress=progress, resume=resume)
    return run(fabric, objective, recipe, output, told=told, compared=compared)
