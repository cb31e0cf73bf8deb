"""`taujp report`: result files in, one page out that needs nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path

from taujp.commands.optional_packages import PAGE, RESULTS, check_installed
from taujp.commands.output_path import output_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to draw and where to."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS", help="result files, or folders of them"
    )
    out = "the .html file to write"
    parser.add_argument("-o", "--out", type=output_path, required=True, metavar="FILE", help=out)
    figures = "folder for every plot as PNG and SVG"
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help=figures)
    parser.add_argument("--title", metavar="TEXT", help="heading of the page")


def run(arguments: argparse.Namespace) -> int:
    """Draw the page."""
    if arguments.out.suffix not in (".html", ".htm"):
        raise ValueError(f"--out {arguments.out}: expected a name that ends in .html")
    check_installed(*RESULTS, *PAGE)
    from taujp.report.page import TITLE, write_report

    title = arguments.title or TITLE
    print(write_report(arguments.results, arguments.out, figures=arguments.figures, title=title))
    return 0
