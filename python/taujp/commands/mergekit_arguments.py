"""The arguments of `taujp mergekit`: those of mergekit-yaml and mergekit-multimerge, and ours."""

from __future__ import annotations

import argparse
from typing import Any

from taujp.commands.byte_size import byte_size
from taujp.commands.output_path import output_text

SWITCH = argparse.BooleanOptionalAction


def shard_size(text: str) -> int:
    """Bytes; mergekit counts them too, and its B are billions."""
    number = text.strip().upper().removesuffix("B")
    return int(number) * 10**9 if number.isdigit() and number != text else byte_size(text)


# What mergekit's options mean here; those without effect say so where they are used.
ARGUMENTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("config_file",), {"metavar": "CONFIG", "help": "YAML: one merge, or several documents"}),
    (("out_path",), {"type": output_text, "metavar": "OUT", "help": "the output's folder"}),
    (
        ("--allow-crimes",),
        {"action": SWITCH, "default": False, "help": "mix models of different architectures"},
    ),
    (
        ("--out-shard-size",),
        {
            "dest": "shard_size",
            "type": shard_size,
            "default": shard_size("5B"),
            "metavar": "SIZE",
            "help": "bytes of one file: 500M, 2GB, or mergekit's 5B for 5 billion (default)",
        },
    ),
    (
        ("--copy-tokenizer",),
        {"action": SWITCH, "default": True, "help": "the donor's, where none is built (default)"},
    ),
    (
        ("--write-model-card",),
        {"action": SWITCH, "default": True, "help": "README.md and mergekit_config.yml (default)"},
    ),
    (
        ("--random-seed",),
        {"type": int, "default": 0, "metavar": "N", "help": "of random methods (default 0)"},
    ),
    (
        ("--transformers-cache",),
        {"metavar": "FOLDER", "help": "cache of the Hugging Face hub to look models up in"},
    ),
    (("-j", "--num-threads"), {"type": int, "metavar": "N", "help": "default: one a processor"}),
    (("-v",), {"action": "count", "default": 0, "dest": "verbosity", "help": "the plan as well"}),
    (("-q", "--quiet"), {"action": SWITCH, "default": False, "help": "no progress, no notes"}),
    (
        ("-I", "--intermediate-dir"),
        {"metavar": "FOLDER", "help": "for named documents (default: OUT-intermediate)"},
    ),
    (
        ("--lazy",),
        {
            "action": SWITCH,
            "default": True,
            "help": "take named documents as they are made (default)",
        },
    ),
    (
        ("--rounding",),
        {
            "choices": ("exact", "stepwise"),
            "default": "exact",
            "help": "exact (default): once, at the end; stepwise: mergekit's bits in bfloat16 and "
            "float16",
        },
    ),
    (
        ("--missing",),
        {
            "choices": ("error", "ignore"),
            "default": "error",
            "help": "tensors that not all models have: error (default), or ignore, which copies "
            "them",
        },
    ),
    (
        ("--nonfinite",),
        {
            "choices": ("error", "allow"),
            "default": "error",
            "help": "NaN and Inf in the inputs (default error)",
        },
    ),
    (("--overwrite",), {"action": "store_true", "help": "replace an output that exists"}),
    (("--dry-run",), {"action": "store_true", "help": "print the plan and do nothing"}),
)
# mergekit's options that change nothing here, and why.
WITHOUT_EFFECT = {
    "--lazy-unpickle": "torch files are always read tensor by tensor, and as data",
    "--low-cpu-memory": "memory holds a few tiles or one tensor, not the model",
    "--read-to-gpu": "memory holds a few tiles or one tensor, not the model",
    "--multi-gpu": "one GPU works out one tensor at a time; ranks of torchrun share the files",
    "--clone-tensors": "tensors are written once for each of their names",
    "--trust-remote-code": "no code of a model is run",
    "--async-write": "reading, merging and writing overlap anyway",
}
VALUES_WITHOUT_EFFECT = {
    "--write-threads": "reading, merging and writing overlap anyway",
    "--lora-merge-cache": "adapters are applied as they are read",
    "--lora-merge-dtype": "adapters are applied in float32",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp mergekit` takes."""
    for flags, settings in ARGUMENTS:
        parser.add_argument(*flags, **settings)
    cuda = "run methods in torch on the GPU; pointwise ones read files on the processor"
    parser.add_argument("--cuda", action=SWITCH, default=False, help=cuda)
    parser.add_argument("--gpu-rich", action=SWITCH, default=False, help="the same as --cuda")
    parser.add_argument("--device", metavar="DEVICE", help="cpu (default), cuda, cuda:1 or auto")
    for flag, reason in WITHOUT_EFFECT.items():
        text = f"accepted without effect: {reason}"
        parser.add_argument(flag, action=SWITCH, default=False, help=text)
    for flag, reason in VALUES_WITHOUT_EFFECT.items():
        parser.add_argument(flag, metavar="X", help=f"accepted without effect: {reason}")
    refused = "refused: give tokenizer_source in the configuration"
    parser.add_argument("--unsafe-truncate-embeddings", action=SWITCH, default=False, help=refused)
    pickled = "outputs are safetensors (default); --no-safe-serialization is refused"
    parser.add_argument("--safe-serialization", action=SWITCH, default=True, help=pickled)
