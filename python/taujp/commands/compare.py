"""`taujp compare`: results side by side, figure by figure, with what else differs."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taujp.evaluate.comparison import Side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp compare` takes."""
    sides = (
        "a side: a result file, several joined by commas (as of several seeds), or a folder; "
        "differences are to the first"
    )
    parser.add_argument("sides", nargs="*", metavar="RESULTS", help=sides)
    schema = "print the JSON Schema of a kind of result file, as addition, and stop"
    parser.add_argument("--schema", metavar="KIND", help=schema)


def run(arguments: argparse.Namespace) -> int:
    """Print a table for everything that two sides have in common."""
    if arguments.schema is not None:
        from taujp.evaluate.schema import json_schema

        print(json.dumps(json_schema(arguments.schema), indent=1))
        return 0
    if len(arguments.sides) < 2:
        raise ValueError(
            f"came {len(arguments.sides)} side(s); expected two or more, as `taujp compare a.json "
            "b.json` or `taujp compare a0.json,a1.json b0.json,b1.json`"
        )
    from taujp.commands.compare_tables import section
    from taujp.evaluate.comparison import by_subject

    shared = by_subject(_sides(arguments.sides))
    print("\n\n".join(section(subject, sides) for subject, sides in shared.items()))
    return 0


def _sides(texts: list[str]) -> list[Side]:
    """Each side by its way where that tells all of them apart, else by its files."""
    from taujp.evaluate.comparison import Side
    from taujp.evaluate.result_files import load_records

    loaded = [tuple(load_records(text.split(",")).values()) for text in texts]
    ways = [{record.provenance.way for record in records} for records in loaded]
    names = [next(iter(way)) if len(way) == 1 else "" for way in ways]
    if not all(names) or len(set(names)) < len(names):
        names = [Path(text.split(",")[0]).stem for text in texts]
    counts = Counter(names)
    numbered = [
        f"{name} ({number})" if counts[name] > 1 else name for number, name in enumerate(names, 1)
    ]
    return [Side(name, records) for name, records in zip(numbered, loaded, strict=True)]
