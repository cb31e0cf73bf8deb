"""Fine-tuning of an ordinary model after a linearised teacher that learns beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from taujp.tangent import linearize
from taujp.train.device import copy_for, make_fabric
from taujp.train.log import Logger
from taujp.train.recipe import Recipe
from taujp.train.run import Finetuned, Output, run
from taujp.train.run_settings import compared_settings, describe_penalty
from taujp.train.teacher import Distillation, TeacherAndStudent


def distil(
    model: Any,
    head: nn.Module,
    train: Dataset[Any],
    recipe: Recipe | None = None,
    *,
    penalties: Sequence[Any] = (),
    reference: Dataset[Any] | None = None,
    teacher_learning_rate: float | None = None,
    trainable: str | Sequence[str] | None = None,
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
    """Fine-tunes so that an ordinary model's task vectors add up as a linearised model's do.

    The teacher is `finetune(mode="linear")` with `penalties`, usually one `Kronecker`; the student
    follows its features on the training images and on `reference`, one generic data set for all
    tasks. taujp.train.teacher has the equations and the source. Both start from `model` and train
    in the same steps; what is returned and written is the student, an ordinary checkpoint.

    `teacher_learning_rate`: None: the recipe's, which is the student's. Everything else is as in
    `finetune`; a step costs a linearised one and an ordinary one.
    """
    recipe = recipe or Recipe()
    fabric = fabric or make_fabric(next(model.parameters()).device)
    encoder, head = copy_for(model.visual, fabric), copy_for(head, fabric)
    rate = recipe.learning_rate if teacher_learning_rate is None else teacher_learning_rate
    objective = Distillation(
        TeacherAndStudent(linearize(encoder, trainable=trainable, chunk=chunk), encoder),
        head,
        train,
        recipe,
        penalties=penalties,
        reference=reference,
        teacher_learning_rate=rate,
        workers=workers,
    )
    told = {
        "mode": "standard",
        "recipe": asdict(recipe),
        "penalties": [describe_penalty(penalty) for penalty in penalties],
        "trainable": trainable,
        "teacher": {"learning_rate": rate, "reference": reference is not None},
        "configuration": dict(configuration or {}),
    }
    compared = compared_settings(
        told, fabric=fabric, train=train, encoder=encoder, head=head, chunk=chunk
    )
    output = Output.at(out, log, loggers=loggers, progress=progress, resume=resume)
    return run(fabric, objective, recipe, output, told=told, compared=compared)
