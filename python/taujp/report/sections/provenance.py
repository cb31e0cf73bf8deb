"""What was run: files, commands, versions, data, and in which of these the results differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from taujp.evaluate.record import Provenance
from taujp.report.blocks import Block, Folded, Section, Table
from taujp.report.runs import Runs
from taujp.report.spread import ABSENT


def blocks(runs: Runs) -> list[Block]:
    """Versions, data, and every file."""
    about = [run.record.provenance for run in runs.runs]
    versions, data = _together(about, _software), _together(about, _data)
    tables = [
        Table("Software.", ["package", "version"], _rows(versions), numbers=False),
        Table("Data of each task.", ["task", "digest"], _rows(data), numbers=False),
    ]
    return [*(one for one in tables if one.rows), *_files(runs)]


def cautions(runs: Runs) -> list[str]:
    """What runs that stand side by side should share and do not."""
    about = [run.record.provenance for run in runs.runs]
    parts = (("data", _together(about, _data)), ("version", _together(about, _software)))
    return [
        f"the results differ in the {what} of {', '.join(names)} and do not compare without care; "
        "the section on what was run has each."
        for what, found in parts
        if (names := [name for name, values in found.items() if len(values) > 1])
    ]


SECTION = Section(
    "provenance",
    "What was run",
    "Where each figure comes from. Digests say whether two runs used the same data and the same "
    "checkpoints.",
    "taujp eval",
    blocks,
)


def _together(
    about: Sequence[Provenance], take: Callable[[Provenance], Mapping[str, str]]
) -> dict[str, list[str]]:
    """Every value that a name has in some run."""
    found: dict[str, list[str]] = {}
    for one in about:
        for name, value in take(one).items():
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return found


def _software(about: Provenance) -> Mapping[str, str]:
    return about.software


def _data(about: Provenance) -> Mapping[str, str]:
    return about.data


def _rows(found: Mapping[str, Sequence[str]]) -> list[list[str]]:
    return [[name, ", ".join(values)] for name, values in found.items()]


def _files(runs: Runs) -> list[Block]:
    rows = [
        [
            run.file,
            run.record.kind.replace("_", " "),
            run.label,
            ABSENT if run.seed is None else str(run.seed),
            run.record.provenance.created or ABSENT,
            run.record.provenance.command or ABSENT,
        ]
        for run in runs.runs
    ]
    header = ["file", "protocol", "way", "seed", "created", "command"]
    files = Table("Result files.", header, rows, numbers=False)
    digests = dict.fromkeys(
        (run.label, ABSENT if run.seed is None else str(run.seed), name, digest)
        for run in runs.runs
        for name, digest in run.record.provenance.checkpoints.items()
    )
    names = ["way", "seed", "checkpoint", "digest"]
    checkpoints = Table("Checkpoints.", names, list(digests), numbers=False)
    tables = [Folded(f"All {len(rows)} result files", [files])]
    return [*tables, *([Folded("Digests of the checkpoints", [checkpoints])] if digests else [])]
