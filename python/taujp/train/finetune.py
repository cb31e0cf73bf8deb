"""Fine-tuning of an image encoder on one task, under a frozen head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from taujp.train.device import copy_for, make_fabric
from taujp.train.log import Logger
from taujp.train.modes import Mode, make_learner
from taujp.train.objective import PenalisedClassification
from taujp.train.recipe import Recipe
from taujp.train.run import Finetuned, Output, run
from taujp.train.run_settings import compared_settings, told_settings


def finetune(
    model: Any,
    head: nn.Module,
    train: Dataset[Any],
    recipe: Recipe | None = None,
    *,
    mode: Mode = "standard",
    penalties: Sequence[Any] = (),
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
    """Fine-tunes a copy of `model.visual` on (image, label) pairs; the model stays as it is.

    Minimises cross-entropy(head(f(x)), labels) + sum of weight * penalty with AdamW, linear warm-up
    and a cosine, where f(x) is by `mode`
      standard   f(x; theta);
      linear     f(x; theta0) + J(x; theta0) (theta - theta0);
      attention  the same, where only attention's weights move;
      lora       the same, where every matrix moves by B A of `rank`.
    `trainable`: patterns of the names that move (not with "attention"). `chunk`: rows a piece of
    the linearised pass, for less memory and the same numbers.

    `out`: a safetensors file of the "visual.*" weights, with mode, recipe, penalties and
    `configuration` in its metadata. `log`: a file with one JSON object a step (default: beside
    `out`). A killed run leaves its state beside `out`, and the same call goes on from there to the
    same bits; `resume=False` begins anew. `fabric`: from `make_fabric`, or your own launched one
    with one device or DDP; None: fp32 on the model's device.

    The same seed on the same machine and number of threads gives the same weights. A loss that is
    not finite raises ValueError and writes no weights.
    """
    recipe = recipe or Recipe()
    fabric = fabric or make_fabric(next(model.parameters()).device)
    encoder, head = copy_for(model.visual, fabric), copy_for(head, fabric)
    learner = make_learner(
        encoder, mode, trainable=trainable, rank=rank, chunk=chunk, penalised=bool(penalties)
    )
    objective = PenalisedClassification(
        learner, head, train, recipe, penalties=penalties, workers=workers
    )
    told = told_settings(
        mode,
        recipe,
        penalties=penalties,
        trainable=trainable,
        rank=rank,
        configuration=configuration,
    )
    compared = compared_settings(
        told, fabric=fabric, train=train, encoder=encoder, head=head, chunk=chunk
    )
    output = Output.at(out, log, loggers=loggers, progress=progress, resume=resume)
    return run(fabric, objective, recipe, output, told=told, compared=compared)
