"""Results on disk: {"schema": "taujp.result/1", "kind", "provenance", "cost", "result"} as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from taujp.evaluate.record import SCHEMA, Cost, Provenance, Record, Result
from taujp.evaluate.schema import checked, kind_of, kinds, plain
from taujp.whole_file import write_whole

FAMILY, VERSION = SCHEMA.split("/")


def save_result(
    result: Result,
    path: str | Path,
    *,
    provenance: Provenance | None = None,
    cost: Cost | None = None,
) -> Path:
    """Writes a protocol's result, all of it or nothing; what was at `path` is replaced.

    TypeError for what is no result; OSError names the file where it cannot be written.
    """
    content = {
        "schema": SCHEMA,
        "kind": kind_of(result),
        "provenance": plain(provenance or Provenance()),
        "cost": cost and plain(cost),
        "result": plain(result),
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_whole(text, path, "save_result")


def load_result(path: str | Path) -> Any:
    """The result in a file that save_result wrote; errors as of load_record."""
    return load_record(path).result


def load_record(path: str | Path) -> Record:
    """A result with its provenance and cost.

    ValueError names the file, what is wrong and what to do: cut short, another program's, of a
    newer taujp, of an unknown kind, or with entries that are missing, unknown or of a wrong type.
    """
    return _record(_content(Path(path)), path)


def load_records(paths: Iterable[str | Path]) -> dict[Path, Record]:
    """The records in these files, and in all .json files of these folders that hold one.

    A file that is named must be a record; in folders other JSON is passed over, damaged JSON is
    not. ValueError where a folder has none.
    """
    found: dict[Path, Record] = {}
    for path in map(Path, paths):
        here = _under(path) if path.is_dir() else {path: load_record(path)}
        if not here:
            raise ValueError(
                f"load_records: the folder '{path}' has no results; expected .json files that "
                "`taujp eval` or save_result wrote"
            )
        found.update(here)
    return found


def _under(folder: Path) -> dict[Path, Record]:
    contents = {path: _content(path) for path in sorted(folder.rglob("*.json"))}
    return {
        path: _record(content, path)
        for path, content in contents.items()
        if isinstance(content, dict) and str(content.get("schema", "")).startswith(f"{FAMILY}/")
    }


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"load_record: '{path}' is no JSON ({error}); expected a whole result file; it was cut "
            "short or is something else: evaluate again, or copy it again"
        ) from None


def _record(content: Any, path: str | Path) -> Record:
    where = f"load_record: '{path}'"
    kind = _checked_kind(content, where)
    return Record(
        schema=content["schema"],
        kind=kind,
        result=checked(content.get("result"), kinds()[kind], f"{where}, result"),
        provenance=checked(content.get("provenance"), Provenance, f"{where}, provenance"),
        cost=content.get("cost") and checked(content["cost"], Cost, f"{where}, cost"),
    )


def _checked_kind(content: Any, where: str) -> str:
    schema = content.get("schema") if isinstance(content, dict) else None
    version = re.fullmatch(rf"{re.escape(FAMILY)}/(\d+)", str(schema))
    if version is None:
        raise ValueError(
            f"{where} has the schema {schema!r}; expected '{SCHEMA}'; pass a file that `taujp "
            "eval` or save_result wrote"
        )
    if int(version[1]) > int(VERSION):
        raise ValueError(
            f"{where} has the schema '{schema}', of a newer taujp; expected '{SCHEMA}'; upgrade "
            "with `pip install --upgrade taujp`"
        )
    kind = content.get("kind")
    if schema != SCHEMA or kind not in kinds():
        raise ValueError(
            f"{where} is of the kind {kind!r} in '{schema}'; expected one of {list(kinds())} in "
            f"'{SCHEMA}'; evaluate again"
        )
    return str(kind)
