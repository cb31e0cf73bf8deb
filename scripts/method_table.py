"""Runs every data-free merge method on the demo's four tasks and writes docs/methods.md's tables.

    OMP_NUM_THREADS=1 python scripts/method_table.py [--seeds 0,1,2] [--only-tables]

Takes about seven minutes a seed on one core, fine-tuning included. The figures go to
docs/methods.json, method by method: what is there is not run again, so a killed run goes on; remove
the file to begin anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from method_tables.choosing import left_out, of_adapters, of_pairs, of_sums, of_tasks
from method_tables.drawing import draw
from method_tables.finetunes import demo_world, finetuned
from method_tables.measuring import cost_of, on_four, on_pairs, on_tasks, pairs_of
from method_tables.tables import (
    pairs_table,
    references_table,
    seeds_line,
    sums_table,
    tasks_table,
)
from tables_in_pages import with_table

import taujp
from taujp.evaluate import MergedWeights, single_task
from taujp.evaluate.classifier import classifier_of
from taujp.reproduce.world import World

DOCS = Path(__file__).parent.parent / "docs"
FIGURES, PAGE, PICTURE = DOCS / "methods.json", DOCS / "methods.md", DOCS / "images" / "methods.png"
WORK = Path("~/.cache/taujp/method-table").expanduser()

Figures = dict[str, Any]


def main() -> None:
    """Run what is missing, then write the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2", help="default 0,1,2")
    parser.add_argument("--work", type=Path, default=WORK, help=f"of checkpoints (default {WORK})")
    costs = "measure time and memory of every merge once more, on a machine that is idle"
    parser.add_argument("--costs", action="store_true", help=costs)
    parser.add_argument("--only-tables", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures: Figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if not arguments.only_tables:
        world = demo_world(arguments.work)
        for seed in arguments.seeds.split(","):
            run_seed(figures, world, seed)
            if arguments.costs:
                measure_costs(figures[seed], world, seed)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    page = PAGE.read_text()
    for name, text in tables(figures).items():
        page = with_table(page, name, text)
    PAGE.write_text(page)
    draw(figures, PICTURE)


def run_seed(figures: Figures, world: World, seed: str) -> None:
    """Everything of one seed that the figures lack; each is on disk when the next begins."""
    checkpoints = finetuned(world, int(seed))
    models = MergedWeights(world.model, checkpoints)
    states, pairs = _states(world, checkpoints), pairs_of(world, checkpoints)
    run = figures.setdefault(seed, {})

    def fill(kind: str, names: list[str], measure: Callable[[str], Figures]) -> None:
        for name in names:
            if name not in run.setdefault(kind, {}):
                run[kind][name] = {**measure(name), "cost": cost_of(states, name)}
                print(f"seed {seed}, {kind}, {name}", flush=True)
                FIGURES.write_text(json.dumps(figures, indent=1) + "\n")

    run.setdefault("references", _references(models, world))
    fill("sums", of_sums(), lambda name: on_four(models, world, name))
    fill("adapters", of_adapters(), lambda name: on_four(models, world, name))
    fill("tasks", of_tasks(), lambda name: on_tasks(models, world, states, name))
    fill("pairs", of_pairs(), lambda name: on_pairs(pairs, name))


def measure_costs(run: Figures, world: World, seed: str) -> None:
    """Time and memory of what is there."""
    states = _states(world, finetuned(world, int(seed)))
    for kind in ("sums", "adapters", "tasks", "pairs"):
        for name, found in run[kind].items():
            found["cost"] = cost_of(states, name)


def tables(figures: Figures) -> dict[str, str]:
    """Every table of the page by its name."""
    return {
        "seeds": seeds_line(figures),
        "references": references_table(figures),
        "sums": sums_table(figures, "sums"),
        "adapters": sums_table(figures, "adapters"),
        "tasks": tasks_table(figures),
        "pairs": pairs_table(figures),
        "left out": "\n".join(
            f"- {reason}: {', '.join(f'`{name}`' for name in names)}"
            for reason, names in left_out().items()
        ),
    }


def _references(models: MergedWeights, world: World) -> Figures:
    """The pre-trained model and each task's own fine-tuned one, on test data."""
    tasks = single_task(models, world.tasks).tasks
    zero = [one.zero_shot_test.accuracy for one in tasks]
    own = [one.finetuned_test.accuracy for one in tasks]
    shares = [a / b for a, b in zip(zero, own, strict=True)]
    return {
        "zero_shot": {"normalised": sum(shares) / len(tasks), "absolute": sum(zero) / len(tasks)},
        "finetuned": {"normalised": 1.0, "absolute": sum(own) / len(tasks)},
    }


def _states(world: World, checkpoints: Mapping[str, Path]) -> list[Any]:
    """theta0 and the fine-tunes in memory."""
    prefix = classifier_of(world.model).prefix
    base = classifier_of(world.model).state()
    read = [
        taujp.merge_many([path], [1.0], method="passthrough", prefix=prefix)
        for path in checkpoints.values()
    ]
    return [{name: value.detach().clone() for name, value in base.items()}, *read]


if __name__ == "__main__":
    main()
