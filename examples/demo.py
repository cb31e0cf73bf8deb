"""Fine-tunes a small image-text model on four tasks in four ways, adds each four, forgets one task.

    python examples/demo.py [--out FOLDER] [--steps N] [--seeds N ...]

The ways: ordinary fine-tuning; the linearised model; the same with the tauJp penalty (the other
tasks' images keep their features); the same with Kronecker factors in place of those images.

Everything is called as for a large model: to use ViT-B-32, replace `load_demo_model()` by
`open_clip.create_model_and_transforms` and the tasks by your own (docs/demo.md shows both).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from demo_ways import WAYS, World, factors_of, finetune_all

import taujp
from taujp.data import find_task, load_demo_model
from taujp.evaluate import (
    COEFFICIENTS,
    Addition,
    Negation,
    addition,
    merged_models,
    negation,
    save_result,
)
from taujp.evaluate.provenance import provenance_of
from taujp.evaluate.record import Provenance
from taujp.report import (
    addition_table,
    comparison_table,
    negation_comparison_table,
    negation_table,
    plot_addition,
    plot_comparison,
    plot_negation,
    plot_tau_jp_matrix,
    tau_jp_table,
    write_report,
)
from taujp.train import prepare

TASKS = ("fashion", "animals", "digits", "letters")
FORGOTTEN, CONTROL = "letters", "symbols"
OUT = Path(__file__).resolve().parent.parent / "demo-output"
STARTED = time.perf_counter()


def say(text: str) -> None:
    """One line with the seconds since the start."""
    print(f"[{time.perf_counter() - STARTED:5.1f} s] {text}", flush=True)


def load(seed: int) -> World:
    """The model, its tasks, and the tasks' Kronecker factors."""
    say("loading the model and the tasks, gathering the tasks' Kronecker factors")
    demo = load_demo_model()
    *tasks, control = (
        prepare(find_task(name), demo.model, demo.tokenizer, demo.transform, in_memory=True)
        for name in (*TASKS, CONTROL)
    )
    return World(demo.model, tuple(tasks), control, factors_of(demo.model, tasks, seed), seed)


def evaluate(
    world: World, checkpoints: Mapping[str, Path], coefficients: Sequence[float]
) -> tuple[Addition, Negation, Any]:
    """The four added, one subtracted, and how much each vector moves every task's images."""
    model, tasks = world.model, world.tasks
    models = merged_models(model, checkpoints)
    added = addition(models, tasks, coefficients=coefficients)
    target = next(task for task in tasks if task.name == FORGOTTEN)
    negated = negation(models, target, world.control, coefficients=coefficients)
    images = {task.name: task.splits.validation for task in (*tasks, world.control)}
    return added, negated, taujp.tau_jp_matrix(model, None, checkpoints, images)


def run(
    world: World, out: Path, *, steps: int, coefficients: Sequence[float] = COEFFICIENTS
) -> None:
    """Every way of fine-tuning, from weights and data to tables and plots in `out`."""
    results = {}
    for name, way in WAYS.items():
        folder = folder_of(name, out)
        say(f"{name}: fine-tuning on {', '.join(TASKS)}")
        checkpoints = finetune_all(world, way, folder, steps)
        say(f"{name}: adding at {len(coefficients)} coefficients, forgetting {FORGOTTEN}")
        results[name] = evaluate(world, checkpoints, coefficients)
        report(
            name,
            results[name],
            folder,
            provenance_of("demo", checkpoints, way=name, seed=world.seed),
        )
    compare(results, out)
    write_report([folder_of(name, out) for name in WAYS], out / "report.html")
    say(f"done; pictures, results and checkpoints are in {out}")


def folder_of(name: str, out: Path) -> Path:
    """Where one way's files are."""
    return out / name.replace(" + ", "-")


def report(
    name: str, result: tuple[Addition, Negation, Any], folder: Path, provenance: Provenance
) -> None:
    """One way's results, tables and pictures in its folder."""
    added, negated, matrix = result
    for kind, one in (("addition", added), ("negation", negated), ("tau_jp", matrix)):
        save_result(one, folder / f"{kind}.json", provenance=provenance)
    tables = (name, addition_table(added), negation_table(negated), tau_jp_table(matrix))
    (folder / "tables.txt").write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    plot_addition(added, folder / "addition.png")
    plot_negation(negated, folder / "negation.png")


def compare(results: Mapping[str, tuple[Addition, Negation, Any]], out: Path) -> None:
    """All ways side by side: tables on the screen, pictures in `out`."""
    added, negated, matrices = (
        {name: result[index] for name, result in results.items()} for index in range(3)
    )
    plot_comparison(added, out / "comparison.png")
    plot_tau_jp_matrix(matrices, out / "tau_jp.png")
    print(f"\n{comparison_table(added)}\n\n{negation_comparison_table(negated)}\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write")
    parser.add_argument("--steps", type=int, default=100, help="fine-tuning steps a task")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run each")
    options = parser.parse_args()
    # So small a model gains little from threads, and much is lost where cores are shared. One
    # thread also gives the same figures on any number of cores.
    torch.set_num_threads(1)
    for seed in options.seeds:
        out = options.out if len(options.seeds) == 1 else options.out / f"seed-{seed}"
        run(load(seed), out, steps=options.steps)


if __name__ == "__main__":
    main()
