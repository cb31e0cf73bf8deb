"""`taujp mergekit`: a mergekit configuration in, a model out; pointwise methods need no torch."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import Any

from taujp.commands.merge_progress import Bar, plan_text
from taujp.commands.mergekit_arguments import (
    VALUES_WITHOUT_EFFECT,
    WITHOUT_EFFECT,
    add_arguments,
)

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Merge, or print the plan."""
    from taujp.mergekit.run import mergekit

    _refuse(arguments)
    _tell(arguments, *_ignored(arguments))
    choices = _choices(arguments)
    if arguments.dry_run or arguments.verbosity:
        print("\n\n".join(_plans(arguments, choices)))
    if arguments.dry_run:
        return 0
    first = os.environ.get("RANK", "0") == "0"  # of a torchrun job, whose ranks share the work
    with Bar(quiet=arguments.quiet or not first) as progress:
        written = mergekit(
            arguments.config_file,
            arguments.out_path,
            overwrite=arguments.overwrite,
            progress=progress,
            threads=arguments.num_threads,
            shard_size=arguments.shard_size,
            lazy=arguments.lazy,
            device=_device(arguments),
            ranks=True,
            tell=lambda note: _tell(arguments, note),
            **choices,
        )
    if first:
        print(written)
    return 0


def _choices(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "seed": arguments.random_seed,
        "rounding": arguments.rounding,
        "missing": arguments.missing,
        "nonfinite": arguments.nonfinite,
        "allow_crimes": arguments.allow_crimes,
        "copy_tokenizer": arguments.copy_tokenizer,
        "card": arguments.write_model_card,
        "cache": arguments.transformers_cache,
        "intermediates": arguments.intermediate_dir,
    }


def _tell(arguments: argparse.Namespace, *notes: str) -> None:
    for note in notes:
        if not arguments.quiet and os.environ.get("RANK", "0") == "0":
            print(f"taujp mergekit: {note}", file=sys.stderr)


def _plans(arguments: argparse.Namespace, choices: dict[str, Any]) -> Iterator[str]:
    """Each document's plan; inputs that a merge of a named document makes have to be there."""
    from taujp.merge.dry_run import dry_run
    from taujp.mergekit.run import planned

    for built, out in planned(arguments.config_file, arguments.out_path, **choices):
        _tell(arguments, *(built.notes if arguments.dry_run else ()))
        sizes = {"threads": arguments.num_threads, "shard_size": arguments.shard_size}
        merges = built.assembly.merges
        ways = f", in {len(merges)} ways" if len(merges) > 1 else ""
        yield plan_text(
            f"{built.method} of {len(built.assembly.inputs)} models{ways}",
            f"1 to {os.fspath(out)!r}",
            dry_run(built.assembly, out, **sizes),
        )


def _refuse(arguments: argparse.Namespace) -> None:
    """Options that ask for what there is not."""
    if arguments.unsafe_truncate_embeddings:
        raise ValueError(
            "--unsafe-truncate-embeddings would give tokens the rows of others; write "
            "`tokenizer_source: base` into the configuration, which aligns them by name"
        )
    if not arguments.safe_serialization:
        raise ValueError("--no-safe-serialization: outputs are safetensors; leave it out")


def _device(arguments: argparse.Namespace) -> str:
    """Where formulas run that are not the kernels'; auto is a GPU where there is one."""
    if arguments.device != "auto":
        gpu = arguments.cuda or arguments.gpu_rich
        return str(arguments.device or ("cuda" if gpu else "cpu"))
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _ignored(arguments: argparse.Namespace) -> Iterator[str]:
    """A sentence for each option that changes nothing."""
    for flag, reason in {**WITHOUT_EFFECT, **VALUES_WITHOUT_EFFECT}.items():
        if getattr(arguments, flag[2:].replace("-", "_")):
            yield f"{flag} has no effect: {reason}"
