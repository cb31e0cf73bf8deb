"""`taujp finetune`: a model and a task (or several) in, a fine-tuned image encoder out."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from taujp.commands.finetune_arguments import add_arguments, given_recipe

__all__ = ["add_arguments", "run"]
TOLD = ("model", "task", "jointly", "control", "past", "reference")  # in the file's metadata


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune, or go on with what a killed run of the same command left."""
    from taujp.commands.finetune_training import Ready, check, train
    from taujp.commands.task_argument import task_named
    from taujp.train import Recipe
    from taujp.train.model import load_model
    from taujp.train.prepare import head_of

    check(arguments)
    recipe, fabric = Recipe(**given_recipe(arguments)), _fabric(arguments)
    loaded = load_model(arguments.model)

    def images(name: str) -> Any:
        return _training_images(name, loaded.transform, arguments)

    def transformed(given: Any) -> Any:
        return _transformed(given, loaded.transform, arguments)

    def head(name: str) -> Any:
        return head_of(task_named(name), loaded.model, loaded.tokenizer, tag=arguments.model)

    options = {**_shared(arguments), "fabric": fabric}
    done = train(arguments, Ready(loaded.model, recipe, head, images, transformed, options))
    if fabric.is_global_zero:
        print(f"{done.path}: loss {done.losses[0]:.4g} -> {done.losses[-1]:.4g}")
    return 0


def _fabric(arguments: argparse.Namespace) -> Any:
    import torch

    from taujp.train import make_fabric

    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return make_fabric(device, devices=arguments.devices, precision=arguments.precision)


def _shared(arguments: argparse.Namespace) -> dict[str, Any]:
    """What every kind of training takes alike."""
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


def _training_images(name: str, transform: Any, arguments: argparse.Namespace) -> Any:
    from taujp.commands.task_argument import task_named

    train = task_named(name).images(arguments.root).train
    return _transformed(train, transform, arguments)


def _transformed(images: Any, transform: Any, arguments: argparse.Namespace) -> Any:
    from taujp.data import cached
    from taujp.data.transformed import Transformed

    given = Transformed(images, transform)
    return cached(given, workers=arguments.workers) if arguments.in_memory else given
