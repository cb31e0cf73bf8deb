"""The records of what was chosen: the only file of this room that looks at test data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from taujp.evaluate import addition, merged_models, negation, save_result
from taujp.evaluate.cost import measured
from taujp.evaluate.interference import interference
from taujp.evaluate.merged import MergedModels
from taujp.evaluate.negation import Rule
from taujp.evaluate.provenance import provenance_of
from taujp.evaluate.record import Provenance
from taujp.evaluate.result_files import load_record
from taujp.evaluate.subsets import subsets
from taujp.reproduce.candidates import Candidate
from taujp.reproduce.data import check_data, tasks_of
from taujp.reproduce.world import World

SUBSETS_OF = 6  # 2^T sums of ordinary models are evaluations; of linearised ones a pass serves all
RULE: Rule = "largest"  # the paper's: the largest coefficient that keeps 95 % of the control


def records_of(
    out: Path, candidate: Candidate, protocol: str, tasks: tuple[str, ...]
) -> list[Path]:
    """The files that `evaluate` writes."""
    folder = out / "records" / f"seed-{candidate.seed}" / candidate.way.folder
    if protocol == "negation":
        return [folder / f"negation-{name}.json" for name in tasks]
    names = ["addition", "interference"]
    if candidate.way.mode != "standard" or len(tasks) <= SUBSETS_OF:
        names.append("subsets")
    return [folder / f"{name}.json" for name in names]


def evaluate(world: World, candidate: Candidate, protocol: str) -> None:
    """Evaluates the chosen candidate and writes the records that are missing or out of date.

    `protocol`: "addition" (with interference and, where it is cheap, all subsets) or "negation" of
    every task in turn.
    """
    names = world.setup.tasks
    paths = {name: candidate.checkpoint(world.place.out, name) for name in names}
    models = merged_models(world.model, paths, workers=world.place.workers)
    provenance = provenance_of(
        world.setup.model,
        paths,
        way=candidate.way.label,
        data=check_data(tasks_of(world.setup, protocol), world.place),
        seed=candidate.seed,
        command=["taujp", "reproduce", protocol, "--model", world.setup.name],
    )
    for path in records_of(world.place.out, candidate, protocol, names):
        if is_current(path, provenance):
            continue
        with measured(world.place.device) as measurement:
            result = _work(world, models, path.stem)()
        save_result(result, path, provenance=provenance, cost=measurement.cost)


def is_current(path: Path, provenance: Provenance) -> bool:
    """Whether the record at `path` is of the same checkpoints and data."""
    if not path.exists():
        return False
    made = load_record(path).provenance
    return made.checkpoints == provenance.checkpoints and made.data == provenance.data


def _work(world: World, models: MergedModels, name: str) -> Callable[[], Any]:
    kind, _, target = name.partition("-")
    if kind == "negation":
        return lambda: _negation(world, models, target)
    protocols: dict[str, Callable[..., Any]] = {
        "addition": addition,
        "interference": interference,
        "subsets": subsets,
    }
    return lambda: protocols[kind](models, world.tasks)


def _negation(world: World, models: MergedModels, target: str) -> Any:
    """One task forgotten; the other tasks are looked at on test only."""
    others = [task for task in world.tasks if task.name != target]
    return negation(models, world.task(target), world.control, others=others, rule=RULE)
