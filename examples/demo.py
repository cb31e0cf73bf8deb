"""Fine-tunes a small image-text model on four tasks, merges the four, and forgets one.

    python examples/demo.py [--out FOLDER] [--steps N]

Everything is called as for a large model: to use ViT-B-32, replace `load_demo_model()` by
`open_clip.create_model_and_transforms` and the tasks by your own (docs/demo.md shows both).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from taujp.data import find_task, load_demo_model
from taujp.evaluate import COEFFICIENTS, negation, save_result, single_task, sweep_addition
from taujp.report import addition_table, negation_table, plot_addition, plot_negation
from taujp.train import PreparedTask, Recipe, finetune, prepare

TASKS = ("fashion", "animals", "digits", "letters")
FORGOTTEN, CONTROL = "letters", "symbols"
OUT = Path(__file__).resolve().parent.parent / "demo-output"


def recipe(steps: int) -> Recipe:
    """A small model trains in few, large steps; Recipe() itself holds CLIP's settings."""
    return Recipe(
        steps=steps, batch_size=64, learning_rate=3e-4, weight_decay=0.0, warmup_steps=steps // 10
    )


class Clock:
    """Prints lines with the seconds since it was made."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    def say(self, text: str) -> None:
        """One line."""
        print(f"[{time.perf_counter() - self.started:5.1f} s] {text}", flush=True)


def finetune_all(
    model: Any, tasks: Sequence[PreparedTask], out: Path, steps: int, clock: Clock
) -> dict[str, Path]:
    """Fine-tunes the model on every task by itself; returns where the checkpoints are."""
    checkpoints = {}
    for task in tasks:
        clock.say(f"fine-tuning on {task.name}")
        checkpoints[task.name] = out / "checkpoints" / f"{task.name}.safetensors"
        finetune(
            model,
            task.head,
            task.splits.train,
            recipe(steps),
            out=checkpoints[task.name],
            log=out / "logs" / f"{task.name}.jsonl",
            configuration={"task": task.name},
        )
    return checkpoints


def run(out: Path, *, steps: int, coefficients: Sequence[float] = COEFFICIENTS) -> None:
    """The demo, from weights and data to tables and plots in `out`."""
    clock = Clock()
    clock.say("loading the model and the tasks")
    demo = load_demo_model()
    tasks, control = (
        [
            prepare(find_task(name), demo.model, demo.tokenizer, demo.transform, in_memory=True)
            for name in names
        ]
        for names in (TASKS, (CONTROL,))
    )
    checkpoints = finetune_all(demo.model, tasks, out, steps, clock)

    clock.say("evaluating every task by itself")
    single = single_task(demo.model, checkpoints, tasks)
    clock.say(f"merging all tasks at {len(coefficients)} coefficients in one call")
    added = sweep_addition(demo.model, checkpoints, tasks, single, coefficients=coefficients)
    save_result(added, out / "addition.json")

    clock.say(f"forgetting {FORGOTTEN}, keeping {CONTROL}")
    target = tasks[TASKS.index(FORGOTTEN)]
    negated = negation(
        demo.model, checkpoints[FORGOTTEN], target, control[0], coefficients=coefficients
    )
    save_result(negated, out / "negation.json")

    print(f"\n{addition_table(added)}\n\n{negation_table(negated)}\n")
    clock.say(f"drew {plot_addition(added, out / 'addition.png')}")
    clock.say(f"drew {plot_negation(negated, out / 'negation.png')}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write")
    parser.add_argument("--steps", type=int, default=100, help="fine-tuning steps a task")
    options = parser.parse_args()
    # So small a model gains little from threads, and much is lost where cores are shared. One
    # thread also gives the same figures on any number of cores.
    torch.set_num_threads(1)
    run(options.out, steps=options.steps)


if __name__ == "__main__":
    main()
