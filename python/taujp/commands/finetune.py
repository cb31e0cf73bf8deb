"""`taujp finetune`: a model and a task in, a fine-tuned image encoder out."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from taujp.commands.finetune_arguments import add_arguments, given_recipe

__all__ = ["add_arguments", "run"]
TOLD = ("model", "task", "control", "past", "reference")  # in the file's metadata


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune, or go on with what a killed run of the same command left."""
    from taujp.commands.finetune_penalties import penalties
    from taujp.train import Recipe, distil, finetune, zero_shot_head
    from taujp.train.model import load_model

    _check(arguments)
    recipe, fabric = Recipe(**given_recipe(arguments)), _fabric(arguments)
    loaded, task = load_model(arguments.model), _task(arguments.task)

    def images(name: str) -> Any:
        return _training_images(name, loaded.transform, arguments)

    options = {**_shared(arguments), "penalties": penalties(arguments, images), "fabric": fabric}
    head = zero_shot_head(loaded.model, loaded.tokenizer, task.classes, task.templates)
    data = (loaded.model, head, images(arguments.task), recipe)
    if arguments.teacher:
        reference = None if arguments.reference is None else images(arguments.reference)
        rate = arguments.teacher_lr
        done = distil(*data, reference=reference, teacher_learning_rate=rate, **options)
    else:
        done = finetune(*data, mode=arguments.mode, rank=arguments.rank, **options)
    if fabric.is_global_zero:
        print(f"{done.path}: loss {done.losses[0]:.4g} -> {done.losses[-1]:.4g}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """What contradicts itself is refused before anything is loaded."""
    needs_teacher = {"--reference": arguments.reference, "--teacher-lr": arguments.teacher_lr}
    for flag, value in needs_teacher.items():
        if value is not None and not arguments.teacher:
            raise ValueError(f"{flag} {value}: only a teacher uses it; expected --teacher with it")
    if arguments.teacher and (arguments.mode != "standard" or arguments.rank is not None):
        raise ValueError(
            f"--teacher: --mode is {arguments.mode} and --rank {arguments.rank}; expected neither, "
            "since the student is an ordinary model"
        )
    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out {arguments.out}: expected a name that ends in .safetensors")


def _fabric(arguments: argparse.Namespace) -> Any:
    import torch

    from taujp.train import make_fabric

    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return make_fabric(device, devices=arguments.devices, precision=arguments.precision)


def _shared(arguments: argparse.Namespace) -> dict[str, Any]:
    """What finetune and distil take alike."""
    told = {name: getattr(arguments, name) for name in TOLD}
    told["factors"] = [path.name for path in arguments.factors]
    return {
        "trainable": arguments.trainable,
        "chunk": arguments.chunk,
        "out": arguments.out,
        "log": arguments.log,
        "loggers": _loggers(arguments),
        "configuration": {name: value for name, value in told.items() if value},
        "workers": arguments.workers,
        "progress": not arguments.quiet and sys.stderr.isatty(),
        "resume": not arguments.no_resume,
    }


def _loggers(arguments: argparse.Namespace) -> list[Any]:
    from taujp.train import TensorBoard, WeightsAndBiases

    loggers: list[Any] = []
    if arguments.tensorboard is not None:
        loggers.append(TensorBoard(arguments.tensorboard))
    if arguments.wandb is not None:
        loggers.append(WeightsAndBiases(arguments.wandb, arguments.out.stem))
    return loggers


def _task(name: str) -> Any:
    from taujp.data import all_tasks

    tasks = all_tasks()
    if name not in tasks:
        raise ValueError(f"task: '{name}' is not registered; expected one of {list(tasks)}")
    return tasks[name]


def _training_images(name: str, transform: Any, arguments: argparse.Namespace) -> Any:
    from taujp.data import cached

    train = _task(name).splits(transform, root=arguments.root).train
    return cached(train, workers=arguments.workers) if arguments.in_memory else train
