"""The demo's model, its tasks, and checkpoints of a few steps, for benchmarks of protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reloading import save_heads

from taujp.data import find_task, load_demo_model
from taujp.train import PreparedTask, Recipe, finetune, prepare

TASKS = ("fashion", "animals", "digits", "letters")
RATES = {"standard": 1e-3, "linear": 3e-3}


def finetuned(folder: Path, steps: int) -> dict[str, dict[str, Path]]:
    """Checkpoints by mode and task, and the heads as files."""
    demo, tasks = load(in_memory=True)
    save_heads({task.name: task.head.weight for task in tasks}, folder)
    found: dict[str, dict[str, Path]] = {}
    for mode, rate in RATES.items():
        recipe = Recipe(
            steps=steps, batch_size=64, learning_rate=rate, weight_decay=0.0, warmup_steps=3
        )
        for task in tasks:
            out = folder / mode / f"{task.name}.safetensors"
            data = task.splits.train
            finetune(demo.model, task.head, data, recipe, mode=mode, out=out, progress=False)
            found.setdefault(mode, {})[task.name] = out
    return found


def load(*, in_memory: bool = False) -> tuple[Any, list[PreparedTask]]:
    """The model, its tasks' heads and images: once for everything."""
    demo = load_demo_model()
    tasks = [
        prepare(find_task(name), demo.model, demo.tokenizer, demo.transform, in_memory=in_memory)
        for name in TASKS
    ]
    return demo, tasks
