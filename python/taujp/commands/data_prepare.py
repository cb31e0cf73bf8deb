"""`taujp data prepare`: train, validation and test with a folder a class, and a manifest."""

from __future__ import annotations

import argparse
import sys

from taujp.commands.process_count import process_count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is prepared, from where, and how files are placed."""
    parser.add_argument("task", nargs="+", metavar="TASK", help="its name; `taujp data list`")
    source = "folder with the download; or hub, hub:NAME, hub:FOLDER (default: --root)"
    parser.add_argument("--from", dest="source", metavar="FOLDER|HUB", help=source)
    files = parser.add_mutually_exclusive_group()
    copy = "copy image files (default: hard links, which take no room)"
    files.add_argument("--copy", dest="files", action="store_const", const="copy", help=copy)
    link = "symbolic links, for a download that stays where it is on another file system"
    files.add_argument("--link", dest="files", action="store_const", const="symbolic", help=link)
    seed = "of splits that the download does not have (default 0: the documented ones)"
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=seed)
    parser.add_argument("--again", action="store_true", help="replace what is prepared already")
    as_it_is = "whatever its counts and duplicates, for a part of a data set"
    parser.add_argument("--as-it-is", action="store_true", help=as_it_is)
    workers = "threads that read images (default 4)"
    parser.add_argument("--workers", type=process_count, default=4, metavar="N", help=workers)
    parser.set_defaults(files="hard")


def run(arguments: argparse.Namespace) -> int:
    """Prepare each task in turn."""
    from taujp.commands.task_argument import task_named
    from taujp.data.prepare import prepare

    for name in arguments.task:
        prepared = prepare(
            task_named(name),
            arguments.root,
            source=arguments.source,
            files=arguments.files,
            seed=arguments.seed,
            again=arguments.again,
            as_it_is=arguments.as_it_is,
            workers=arguments.workers,
            progress=sys.stderr.isatty(),
        )
        for fault in prepared.faults:
            print(f"note: {fault}", file=sys.stderr)
        counts = "/".join(str(split.count) for split in prepared.manifest.splits.values())
        done = f"from {prepared.manifest.source}" if prepared.new else "is prepared already"
        print(f"{prepared.folder}: {done}, {counts} images, {prepared.manifest.digest[:16]}")
    return 0
