"""`taujp import`: an earlier project's pickled module in, a safetensors checkpoint out."""

from __future__ import annotations

import argparse
from pathlib import Path

from taujp.commands.output_path import output_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp import` takes."""
    parser.add_argument("source", type=Path, metavar="FILE", help="what torch.save wrote")
    model = "what it was fine-tuned from: demo, NAME[:WEIGHTS] of open_clip, or a folder"
    parser.add_argument("--model", required=True, metavar="MODEL", help=model)
    prefix = "what stands before 'visual.' in the file's names (default: found out)"
    parser.add_argument("--prefix", metavar="TEXT", help=prefix)
    mode = "how it was fine-tuned (default: linear for numbered weights, else standard)"
    parser.add_argument("--mode", choices=("standard", "linear"), help=mode)
    parser.add_argument(
        "-o", "--out", required=True, type=output_path, metavar="FILE", help="NAME.safetensors"
    )


def run(arguments: argparse.Namespace) -> int:
    """Import one checkpoint; nothing of the file is run."""
    from taujp.reproduce.importing import import_checkpoint
    from taujp.train.model import load_model

    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out {arguments.out}: expected a name that ends in .safetensors")
    model = load_model(arguments.model).model
    mode = import_checkpoint(
        arguments.source, model, arguments.out, prefix=arguments.prefix, mode=arguments.mode
    )
    print(f"{arguments.out}: image encoder of {arguments.source.name}, mode {mode}")
    return 0
