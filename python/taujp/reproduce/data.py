"""The data of a reproduction: looked at once before anything is trained, told in every record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from taujp.data import find_task
from taujp.data.check import check
from taujp.data.digest import data_digest
from taujp.reproduce.json_file import write_json
from taujp.reproduce.setups import Setup
from taujp.reproduce.world import Place


def data_file(out: Path) -> Path:
    """Where the digests are kept."""
    return out / "data.json"


def check_data(names: Sequence[str], place: Place) -> dict[str, str]:
    """Digests of the tasks' data by name, kept in data.json; lists and counts are checked first.

    A task that is in data.json is not looked at again: remove the file where data were changed.
    ValueError lists every fault with its file and what to do.
    """
    path = data_file(place.out)
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in names if name not in known]
    faults = [
        f"{name}: {fault}"
        for name in missing
        for fault in check(find_task(name), place.root, quick=True).faults
    ]
    if faults:
        listed = "\n  ".join(faults)
        raise ValueError(
            f"reproduce: the data under '{place.root}' are not those of the published splits:\n  "
            f"{listed}\n  see `taujp data prepare`"
        )
    for name in missing:
        known[name] = data_digest(find_task(name), place.root)
        write_json(known, path)
    return {name: known[name] for name in names}


def tasks_of(setup: Setup, protocol: str) -> tuple[str, ...]:
    """The tasks whose data a protocol needs."""
    return (*setup.tasks, setup.control) if protocol == "negation" else setup.tasks
