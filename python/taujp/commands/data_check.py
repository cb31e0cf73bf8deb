"""`taujp data check`: every fault with its file and what to do; exit code 1 where there is one."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from taujp.commands.process_count import process_count

if TYPE_CHECKING:
    from taujp.data.check import Checked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is checked, and how thoroughly."""
    parser.add_argument("task", nargs="+", metavar="TASK", help="its name; `taujp data list`")
    quick = "lists, counts and classes only: no image is opened"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    workers = "threads that decode images (default 4)"
    parser.add_argument("--workers", type=process_count, default=4, metavar="N", help=workers)


def run(arguments: argparse.Namespace) -> int:
    """Check each task; 1 if any has a fault."""
    from taujp.commands.task_argument import task_named
    from taujp.data.check import check

    checked = [
        check(
            task_named(name),
            arguments.root,
            quick=arguments.quick,
            workers=arguments.workers,
            progress=sys.stderr.isatty(),
        )
        for name in arguments.task
    ]
    if arguments.json:
        print(json.dumps([asdict(result) for result in checked], indent=2))
    else:
        for result in checked:
            _print(result)
    return int(any(result.faults for result in checked))


def _print(result: Checked) -> None:
    counts = ", ".join(f"{split} {count}" for split, count in result.counts.items())
    read = "images decoded" if result.images_read else "no image opened"
    many = len(result.faults)
    outcome = f"{many or 'no'} fault{'s' * (many > 1)}"
    print(f"{result.task}: {outcome} ({counts or 'not readable'}; {read})")
    for fault in result.faults:
        print(f"  {fault.file}\n    {fault.found}\n    what to do: {fault.advice}")
