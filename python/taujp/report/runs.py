"""The results of one model, by kind, way and seed: what every section of a report starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from taujp.evaluate.record import Record
from taujp.report.figure import line_look
from taujp.report.labels import in_order, label_of

Kind = TypeVar("Kind")
Key = TypeVar("Key")


@dataclass(frozen=True)
class Run:
    """One result file. `label`: its way of fine-tuning and what else tells it from others."""

    file: str
    label: str
    record: Record

    @property
    def seed(self) -> int | None:
        return self.record.provenance.seed


@dataclass(frozen=True)
class Runs:
    """All runs of one model, ordered by way and seed."""

    model: str
    runs: tuple[Run, ...]

    @property
    def labels(self) -> list[str]:
        return in_order(run.label for run in self.runs)

    def of(self, kind: type[Kind]) -> dict[str, list[Kind]]:
        """The results of a kind by label, one a seed (and target, or pair of tasks)."""
        found: dict[str, list[Kind]] = {}
        for run in self.runs:
            if isinstance(run.record.result, kind):
                found.setdefault(run.label, []).append(run.record.result)
        return found

    def runs_of(self, kind: type) -> dict[str, list[Run]]:
        """The runs of a kind by label."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            if isinstance(run.record.result, kind):
                found.setdefault(run.label, []).append(run)
        return found

    def look(self, label: str) -> dict[str, Any]:
        """Colour and dashes of a label, the same in every plot."""
        return line_look(self.labels.index(label))

    def seeds(self) -> list[int]:
        """Every seed that some run has."""
        return sorted({run.seed for run in self.runs if run.seed is not None})


def grouped(
    found: Mapping[str, list[Kind]], key: Callable[[Kind], Key]
) -> dict[Key, dict[str, list[Kind]]]:
    """Results by label, apart by what they are about: figures of other tasks are not averaged."""
    groups: dict[Key, dict[str, list[Kind]]] = {}
    for label, results in found.items():
        for one in results:
            groups.setdefault(key(one), {}).setdefault(label, []).append(one)
    return groups


def runs_by_model(records: Mapping[Path, Record]) -> list[Runs]:
    """Groups records; ValueError where two are of the same protocol, way, seed and tasks."""
    models: dict[str, list[Run]] = {}
    for path, record in records.items():
        run = Run(path.name, label_of(record), record)
        models.setdefault(record.provenance.model or "unnamed model", []).append(run)
    _all_different(records)
    return [Runs(model, tuple(_ordered(runs))) for model, runs in models.items()]


def _ordered(runs: Iterable[Run]) -> list[Run]:
    runs = list(runs)
    labels = in_order(run.label for run in runs)
    return sorted(runs, key=lambda run: (labels.index(run.label), run.seed or 0))


def _all_different(records: Mapping[Path, Record]) -> None:
    """A result that came twice would count twice in every mean."""
    seen: dict[tuple[Any, ...], Path] = {}
    for path, record in records.items():
        about = record.provenance
        key = (about.model, label_of(record), about.seed, record.kind, _subject(record.result))
        if key in seen:
            raise ValueError(
                f"report: '{seen[key]}' and '{path}' are both '{record.kind}' of {key[1]}, model "
                f"{about.model or 'unnamed'}, seed {about.seed}; expected one of a kind; leave one "
                "out, or evaluate with another --way or --seed"
            )
        seen[key] = path


def _subject(result: Any) -> tuple[Any, ...]:
    """What a protocol was about, of which a way and seed may have several."""
    names = ("target", "control", "tasks", "merged", "a", "b", "c", "d")
    found = [getattr(result, name, None) for name in names]
    return tuple(
        tuple(getattr(one, "task", one) for one in each) if isinstance(each, tuple) else each
        for each in found
    )
