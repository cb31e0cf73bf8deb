"""`taujp data list`: the tasks, their classes and counts, and which are found under the root."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taujp.data.task import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How it is printed."""
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(arguments: argparse.Namespace) -> int:
    """One line a task."""
    from taujp.data import all_tasks
    from taujp.report.text_table import text_table

    rows = [_row(task, arguments.root) for task in all_tasks().values()]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    header = ["task", "classes", "templates", "train/val/test", "epochs", "here"]
    cells = [
        [
            row["task"],
            str(row["classes"]),
            str(row["templates"]),
            "/".join(map(str, row["counts"] or ["-"])),
            str(row["epochs"] or "-"),
            row["here"],
        ]
        for row in rows
    ]
    print(text_table(header, cells))
    return 0


def _row(task: Task, root: Path) -> dict[str, Any]:
    return {
        "task": task.name,
        "classes": len(task.classes),
        "templates": len(task.templates),
        "counts": task.counts,
        "epochs": task.epochs,
        "here": _here(task, root),
    }


def _here(task: Task, root: Path) -> str:
    """Whether the data set is prepared, or its files are there; no image is read."""
    from taujp.data.downloads import DOWNLOADS
    from taujp.data.layouts.prepared import prepared_folder

    if prepared_folder(root, task.name).is_dir():
        return "prepared"
    if task.name not in DOWNLOADS:
        return "no download needed"
    download = DOWNLOADS[task.name]
    if download.found_in(root):
        return "found"
    return "archive found" if download.archives_in(root) else "missing"
