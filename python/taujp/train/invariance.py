"""Fine-tuning of one encoder by an objective over several environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import ConcatDataset, Dataset

from taujp.train.device import copy_for, make_fabric
from taujp.train.invariant_classification import InvariantClassification, check_recipe
from taujp.train.linear_members import LinearisedMembers
from taujp.train.log import Logger
from taujp.train.modes import LINEARISED, Mode, make_learner
from taujp.train.objectives import HeadOfEach, InvarianceObjective, make_objective
from taujp.train.penalties.tau_jp import NoPast, TauJp
from taujp.train.recipe import Recipe
from taujp.train.run import Finetuned, Output, run
from taujp.train.run_settings import compared_settings, told_settings

Heads = nn.Module | Mapping[str, nn.Module]


def finetune_invariantly(
    model: Any,
    heads: Heads,
    environments: Mapping[str, Dataset[Any]],
    objective: InvarianceObjective | str,
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
    """Fine-tunes a copy of `model.visual` to predict alike in every environment.

    environments: {name: training images}; every step has recipe.batch_size rows, as many of each.
    heads: one frozen head for all, or one for each by name, as when the environments are tasks of
    task arithmetic. objective: its name, or one from `make_objective`. Everything else is as in
    `finetune`: modes, penalties, resume, torchrun; the checkpoint is evaluated like any other.

    "irm_game", by name, is played by a whole linearised network for each environment, whose mean
    is one checkpoint: it needs a linearised mode and one process. ValueError where settings
    contradict it, for accumulate above 1 (the penalty of a batch is not the mean of its parts';
    `chunk` saves memory) and for label smoothing.
    """
    recipe = recipe or Recipe()
    check_recipe(recipe)
    fabric = fabric or make_fabric(next(model.parameters()).device)
    encoder, head = copy_for(model.visual, fabric), copy_for(_head(heads, environments), fabric)
    settings: dict[str, Any] = {"trainable": trainable, "rank": rank, "chunk": chunk}
    if objective == "irm_game":
        learner, objective = _game(encoder, mode, environments, fabric, penalties, settings)
    else:
        learner = make_learner(encoder, mode, penalised=bool(penalties), **settings)
    invariance = make_objective(objective) if isinstance(objective, str) else objective
    told = told_settings(
        mode,
        recipe,
        penalties=penalties,
        trainable=trainable,
        rank=rank,
        configuration=configuration,
        objective=invariance.settings,
        environments={name: len(rows) for name, rows in environments.items()},  # type: ignore[arg-type]
    )
    train: Dataset[Any] = ConcatDataset(list(environments.values()))
    compared = compared_settings(
        told, fabric=fabric, train=train, encoder=encoder, head=head, chunk=chunk
    )
    task = InvariantClassification(
        learner,
        head,
        environments,
        recipe,
        invariance=invariance,
        penalties=penalties,
        workers=workers,
    )
    output = Output.at(out, log, loggers=loggers, progress=progress, resume=resume)
    return run(fabric, task, recipe, output, told=told, compared=compared)


def _head(heads: Heads, environments: Mapping[str, Dataset[Any]]) -> nn.Module:
    if isinstance(heads, nn.Module):
        return heads
    missing = [name for name in environments if name not in heads]
    if missing:
        raise ValueError(
            f"finetune: the environments {missing} have no head; expected one for each of "
            f"{list(environments)}, or a single head for all"
        )
    return HeadOfEach([heads[name] for name in environments])


def _game(
    encoder: nn.Module,
    mode: Mode,
    environments: Mapping[str, Dataset[Any]],
    fabric: Any,
    penalties: Sequence[Any],
    settings: Mapping[str, Any],
) -> tuple[LinearisedMembers, InvarianceObjective]:
    """A linearised network for each environment, and the game that they play."""
    if mode not in LINEARISED:
        raise ValueError(
            f"finetune: objective is 'irm_game', mode {mode!r}; expected one of "
            f"{list(LINEARISED)}: the mean of its networks is one checkpoint only where they are "
            "linearised; taujp.train.objectives.Members plays with ordinary ones"
        )
    if fabric.world_size > 1:
        raise ValueError(
            f"finetune: objective is 'irm_game' on {fabric.world_size} ranks; expected one: those "
            "who wait for their turn have no gradients to exchange"
        )
    dataless = [one.name for one in penalties if not isinstance(one, TauJp | NoPast)]
    if dataless:
        raise ValueError(
            f"finetune: objective is 'irm_game' with the penalties {dataless}; expected penalties "
            "on tangents of images, such as TauJp: the others see one network's weights"
        )
    learners = [make_learner(encoder, mode, penalised=True, **settings) for _ in environments]
    members = LinearisedMembers(learners)
    return members, make_objective("irm_game", members=members, shared=False)
