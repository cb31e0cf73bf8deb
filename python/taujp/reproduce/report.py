"""What a reproduction ends with: the published table beside the measured one, and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from taujp.evaluate.result_files import load_result
from taujp.report.page import write_report
from taujp.reproduce.candidates import Candidate
from taujp.reproduce.evaluating import records_of
from taujp.reproduce.run import Asked
from taujp.reproduce.tables import addition_lines, negation_lines


def printed(asked: Asked, chosen: Mapping[int, Sequence[Candidate]], out: Path) -> str:
    """The table of the protocol over all seeds."""
    tasks, protocol = asked.setup.tasks, asked.protocol
    files: dict[str, list[list[Path]]] = {way.label: [] for way in asked.ways}
    for candidates in chosen.values():
        for one in candidates:
            files[one.way.label].append(records_of(out, one, protocol, tasks))
    if protocol == "addition":
        added = {way: [load_result(one[0]) for one in seeds] for way, seeds in files.items()}
        return addition_lines(asked.setup.model, added)
    negated = {
        way: [[load_result(path) for path in one] for one in seeds] for way, seeds in files.items()
    }
    return negation_lines(asked.setup.model, negated)


def write_page(asked: Asked, out: Path) -> Path:
    """report.html of all records, those of earlier calls included."""
    title = f"Reproduction on {asked.setup.name}"
    return write_report([out / "records"], out / "report.html", title=title)
