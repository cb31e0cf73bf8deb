"""`taujp inspect`: what checkpoints changed, as a table and a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from taujp.commands.merge_arguments import pair
from taujp.commands.optional_packages import PAGE, RESULTS, check_installed
from taujp.commands.output_path import output_path
from taujp.whole_file import check_place

if TYPE_CHECKING:
    from taujp.inspecting import Inspection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to look at, and where to write it."""
    parser.add_argument("checkpoints", nargs="+", metavar="PATH", help="models of one shape")
    base = "theta0, which the others were fine-tuned from; without it the models themselves"
    parser.add_argument("--base", metavar="PATH", help=base)
    by = "rows of the table: a block of the model, or every tensor (default layer)"
    parser.add_argument("--by", choices=("layer", "tensor"), default="layer", help=by)
    top = "singular directions of every matrix (default 16); 0: none, which is much faster"
    parser.add_argument("--top", type=int, default=16, metavar="K", help=top)
    out = "NAME.html for a page, NAME.json for the figures; repeat"
    parser.add_argument(
        "-o", "--out", type=output_path, action="append", default=[], metavar="FILE", help=out
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="heading of the page")
    parser.add_argument(
        "--rename", action="append", default=[], metavar="REGEX=NEW", help="of names; repeat"
    )
    prefix = "only parameters whose names begin so"
    parser.add_argument("--prefix", metavar="TEXT", help=prefix)
    missing = "tensors that not all inputs have: error (default), or ignore, which leaves them out"
    parser.add_argument("--missing", choices=("error", "ignore"), default="error", help=missing)
    parser.add_argument("-q", "--quiet", action="store_true", help="no table, no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Inspect, print the table, write what was asked for."""
    wrong = [str(path) for path in arguments.out if path.suffix not in (".html", ".htm", ".json")]
    if wrong:
        raise ValueError(f"--out {', '.join(wrong)}: expected names that end in .html or .json")
    for path in arguments.out:
        check_place(path, "inspect")
        check_installed(*(RESULTS if path.suffix == ".json" else PAGE))
    from taujp.inspecting import inspect
    from taujp.inspecting.table import inspection_table

    found = inspect(
        arguments.checkpoints,
        arguments.base,
        by=arguments.by,
        top=arguments.top,
        rename=dict(pair("--rename", text, "REGEX=NEW") for text in arguments.rename) or None,
        prefix=arguments.prefix,
        missing=arguments.missing,
        progress=not arguments.quiet,
    )
    if not arguments.quiet:
        print(inspection_table(found))
    for path in arguments.out:
        print(_written(found, path, arguments.title))
    return 0


def _written(found: Inspection, path: Path, title: str) -> Path:
    if path.suffix == ".json":
        from taujp.evaluate.result_files import save_result

        return save_result(found, path)
    from taujp.inspecting.page import write_inspection

    return write_inspection(found, path, title=title)
