"""`taujp lora extract`: a PEFT adapter of what fine-tuning changed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from taujp.commands.merge_arguments import pair
from taujp.commands.output_path import output_text

if TYPE_CHECKING:
    from taujp.merge.extract_lora import Extraction

ROWS = 12  # of the table, without --all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp lora` takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    summary = "what fine-tuning changed, as an adapter of low rank that PEFT loads"
    extract = commands.add_parser("extract", help=summary, description=summary)
    extract.add_argument("base", metavar="BASE", help="theta0, a checkpoint of any kind")
    extract.add_argument("finetuned", metavar="FINETUNED", help="what it was fine-tuned to")
    extract.add_argument(
        "-o", "--out", required=True, type=output_text, metavar="FOLDER", help="the adapter"
    )
    rank = "of every matrix; with --energy the most (one of the two is needed)"
    extract.add_argument("--rank", type=int, metavar="N", help=rank)
    energy = "keep this share of each matrix's |tau|^2, in (0, 1], with as few ranks as that takes"
    extract.add_argument("--energy", type=float, metavar="SHARE", help=energy)
    ways = "of decomposing: by random sketches (default), or in full, which takes longer"
    extract.add_argument(
        "--method", choices=("randomised", "exact"), default="randomised", help=ways
    )
    modules = "pattern of modules that get factors; repeat (default: all matrices)"
    extract.add_argument("--modules", action="append", metavar="GLOB", help=modules)
    whole = "leave out what is no matrix (default: keep such modules whole)"
    extract.add_argument("--only-matrices", action="store_true", help=whole)
    dtype = "of the factors (default float32)"
    extract.add_argument("--dtype", default="float32", metavar="NAME", help=dtype)
    seed = "of the random sketches (default 0)"
    extract.add_argument("--seed", type=int, default=0, metavar="N", help=seed)
    rename = "of names, in both models; repeat"
    extract.add_argument("--rename", action="append", default=[], metavar="REGEX=NEW", help=rename)
    extract.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    extract.add_argument("--all", action="store_true", help="show every matrix, not the worst only")


def run(arguments: argparse.Namespace) -> int:
    """Extract, and print what was kept and what was lost."""
    from taujp.merge.extract_lora import extract_lora

    found = extract_lora(
        arguments.base,
        arguments.finetuned,
        arguments.out,
        rank=arguments.rank,
        energy=arguments.energy,
        method=arguments.method,
        modules=arguments.modules or ("*",),
        whole=not arguments.only_matrices,
        dtype=arguments.dtype,
        seed=arguments.seed,
        rename=dict(pair("--rename", text, "REGEX=NEW") for text in arguments.rename) or None,
        overwrite=arguments.overwrite,
    )
    print(_table(found, None if arguments.all else ROWS))
    return 0


def _table(found: Extraction, rows: int | None) -> str:
    """The matrices that lose most, then everything else in a line each."""
    worst = sorted(found.matrices, key=lambda matrix: -matrix.error)[:rows]
    width = max(len(matrix.name) for matrix in worst)
    lines = [f"{'matrix':{width}}  {'shape':>14}  rank  error"]
    for matrix in worst:
        shape = " x ".join(map(str, matrix.shape))
        lines.append(f"{matrix.name:{width}}  {shape:>14}  {matrix.rank:4}  {matrix.error:.4f}")
    if len(worst) < len(found.matrices):
        lines.append(f"... and {len(found.matrices) - len(worst)} with less error")
    if found.whole:
        lines.append(f"kept whole: {_some(found.whole)}")
    for reason in dict.fromkeys(found.left_out.values()):
        names = [name for name, why in found.left_out.items() if why == reason]
        lines.append(f"left out ({reason}): {_some(names)}")
    lines.append(f"error of the whole change: {found.error:.4f}, relative")
    lines.append(f"{found.folder}: {found.bytes / 1e6:.2f} MB")
    return "\n".join(lines)


def _some(names: tuple[str, ...] | list[str]) -> str:
    more = f", ... ({len(names)} parameters)" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
