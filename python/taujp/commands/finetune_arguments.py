"""The arguments of `taujp finetune`, in the groups that its help shows; never imports torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from taujp.commands.finetune_objective import add_objective
from taujp.commands.gathering_arguments import ROOT
from taujp.commands.output_path import output_path
from taujp.commands.process_count import process_count

MODES = ("standard", "linear", "attention", "lora")
PENALTIES = ("tau_jp", "tau_jp_cyclic", "kronecker", "orthogonal")
WEIGHTS = "default 0.1 of tau_jp, 500 of kronecker, 1 of orthogonal"
# Fields of Recipe that a flag sets: what the help says of each, with its default.
RECIPE: dict[str, tuple[str, type, str]] = {
    "--steps": ("steps", int, "optimiser steps (default 2000)"),
    "--batch-size": ("batch_size", int, "training images a step, of all devices (default 128)"),
    "--lr": ("learning_rate", float, "highest learning rate (default 1e-05)"),
    "--warmup": ("warmup_steps", int, "steps of linear warm-up before the cosine (default 200)"),
    "--weight-decay": ("weight_decay", float, "decoupled (default 0.1)"),
    "--decay-towards": ("decay_towards", str, "theta0 or zero (default theta0)"),
    "--gradient-clip": ("gradient_clip", float, "largest norm of the gradient (default 1.0)"),
    "--label-smoothing": ("label_smoothing", float, "of the cross-entropy (default 0.0)"),
    "--accumulate": ("accumulate", int, "parts a batch is computed in (default 1)"),
    "--save-every": ("save_every", int, "steps between states to go on from (default 200)"),
    "--seed": ("seed", int, "of batches, transforms and dropout (default 0)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp finetune` takes."""
    _add_what(parser.add_argument_group("what is trained"))
    _add_penalties(parser.add_argument_group("penalties"))
    add_objective(parser.add_argument_group("environments"))
    recipe = parser.add_argument_group("recipe")
    for flag, (field, kind, text) in RECIPE.items():
        metavar = {int: "N", float: "X", str: "POINT"}[kind]
        recipe.add_argument(flag, dest=f"recipe_{field}", type=kind, metavar=metavar, help=text)
    _add_teacher(parser.add_argument_group("distilled recipe"))
    _add_computing(parser.add_argument_group("computing"))
    _add_output(parser.add_argument_group("output"))


def given_recipe(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of Recipe that the command line sets."""
    fields = [field for field, _, _ in RECIPE.values()]
    given = {field: getattr(arguments, f"recipe_{field}") for field in fields}
    return {field: value for field, value in given.items() if value is not None}


def names(text: str) -> list[str]:
    """a,b,c as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _add_what(group: argparse._ArgumentGroup) -> None:
    model = "demo, NAME[:WEIGHTS] of open_clip such as ViT-B-32:openai, or a folder of open_clip"
    group.add_argument("--model", required=True, metavar="MODEL", help=model)
    group.add_argument("--task", metavar="NAME", help="whose images to train on")
    jointly = "in place of --task: one model trained on all of these, a baseline of addition"
    group.add_argument("--jointly", type=names, default=[], metavar="A,B", help=jointly)
    ascent = "raise the task's loss instead of lowering it, a baseline of negation"
    group.add_argument("--ascent", action="store_true", help=ascent)
    group.add_argument("--root", default=".", metavar="FOLDER", help=ROOT)
    group.add_argument("--in-memory", action="store_true", help="transform images only once")
    mode = "standard (default): the ordinary model; linearised: linear, all weights; attention, "
    mode += "attention's; lora, low-rank matrices"
    group.add_argument("--mode", choices=MODES, default="standard", help=mode)
    patterns = "train only weights of such names, as '*attn*' (default: all)"
    group.add_argument("--trainable", nargs="+", metavar="PATTERN", help=patterns)
    group.add_argument("--rank", type=int, metavar="N", help="of --mode lora (default 16)")


def _add_penalties(group: argparse._ArgumentGroup) -> None:
    which = f"one of {', '.join(PENALTIES)}; WEIGHT: {WEIGHTS}; repeat to add several"
    group.add_argument(
        "--penalty", action="append", default=[], metavar="NAME[=WEIGHT]", help=which
    )
    control = "tasks whose images tau_jp keeps where they are"
    group.add_argument("--control", type=names, default=[], metavar="A,B", help=control)
    past = "tasks in the order they came: those before --task are the control tasks"
    group.add_argument("--past", type=names, default=[], metavar="A,B", help=past)
    rows = "control images a step and task (default 16)"
    group.add_argument("--control-batch-size", type=int, default=16, metavar="N", help=rows)
    group.add_argument("--squared", action="store_true", help="tau_jp of squared norms")
    factors = "files of `taujp factors` for kronecker, summed"
    group.add_argument("--factors", nargs="+", type=Path, default=[], metavar="FILE", help=factors)


def _add_teacher(group: argparse._ArgumentGroup) -> None:
    teacher = "train an ordinary model that follows a linearised teacher, which learns beside it"
    group.add_argument("--teacher", action="store_true", help=teacher)
    reference = "a generic task on whose images the student follows the teacher too"
    group.add_argument("--reference", metavar="NAME", help=reference)
    rate = "the teacher's learning rate (default: that of the student)"
    group.add_argument("--teacher-lr", type=float, metavar="RATE", help=rate)


def _add_computing(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 (default: a GPU if any)")
    devices = "processes, one a device (default: those of torchrun, else 1)"
    group.add_argument("--devices", type=process_count, metavar="N", help=devices)
    precision = "fp32 (default); tf32: with TF32 products; bf16: autocast, weights in fp32; fp64"
    kinds = ("fp32", "tf32", "bf16", "fp64")
    group.add_argument("--precision", choices=kinds, default="fp32", help=precision)
    chunk = "rows a piece of the linearised pass, for less memory (default: all)"
    group.add_argument("--chunk", type=int, metavar="ROWS", help=chunk)
    workers = "processes that load images (default 0: none)"
    group.add_argument("--workers", type=process_count, default=0, metavar="N", help=workers)


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-o", "--out", required=True, type=output_path, metavar="FILE", help="NAME.safetensors"
    )
    log = "JSON lines, one a step (default: beside --out)"
    group.add_argument("--log", type=Path, metavar="FILE", help=log)
    group.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="event files as well")
    group.add_argument("--wandb", metavar="PROJECT", help="a Weights & Biases run as well")
    anew = "begin anew, where a killed run of the same command would be gone on with"
    group.add_argument("--no-resume", action="store_true", help=anew)
    group.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
