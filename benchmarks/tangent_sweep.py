"""A sweep of 21 coefficients over the demo's tasks with linearised models: one pass, or 21.

    python benchmarks/tangent_sweep.py

The peer evaluates f0 + J (c sum_t tau_t) anew for every coefficient, as sweeps of linearised models
are written in the field; taujp pushes the tangents of all tasks through each image once. Both run
on taujp's tangent engine, so the ratio is that of the passes. The predictions have to be identical.
"""

from __future__ import annotations

import time

import torch
from record import Record
from torch import Tensor
from torch.utils.data import DataLoader

import taujp
from taujp.data import find_task, load_demo_model
from taujp.evaluate import COEFFICIENTS, MergedTangents
from taujp.train import PreparedTask, encoder_state, prepare

TASKS = ("fashion", "animals", "digits", "letters")
BATCH = 128


def main() -> None:
    torch.set_num_threads(1)
    demo = load_demo_model()
    tasks = [
        prepare(find_task(name), demo.model, demo.tokenizer, demo.transform, in_memory=True)
        for name in TASKS
    ]
    finetuned = random_finetunes(demo.model)
    by_passes, many = timed(lambda: swept_by_passes(demo.model, finetuned, tasks))
    by_cache, one = timed(lambda: swept_by_cache(demo.model, finetuned, tasks))
    record = Record("tangent_sweep", raw={"seconds": {"21 passes": many, "one pass": one}})
    images = sum(len(task.splits.test) for task in tasks)
    differing = sum(int((by_passes[key] != by_cache[key]).sum()) for key in by_passes)
    record.add(
        f"predictions that differ, of {images * len(COEFFICIENTS)}",
        differing,
        "",
        0,
        at_least=False,
    )
    record.add("21 coefficients x 4 tasks, time of 21 passes over that of one", many / one, "x")
    record.finish()


def random_finetunes(model) -> dict[str, dict[str, Tensor]]:  # type: ignore[no-untyped-def]
    """Weights moved at random, as far as fine-tuning moves them: what they predict is no matter."""
    generator = torch.Generator().manual_seed(0)
    base = encoder_state(model)
    return {
        name: {
            key: theta + 0.01 * theta.std() * torch.randn(theta.shape, generator=generator)
            if theta.numel() > 1
            else theta
            for key, theta in base.items()
        }
        for name in TASKS
    }


Predictions = dict[tuple[str, float], Tensor]


def swept_by_cache(model, finetuned, tasks: list[PreparedTask]) -> Predictions:  # type: ignore[no-untyped-def]
    """Every coefficient from cached tangents."""
    models = MergedTangents(model, finetuned, mode="linear", batch_size=BATCH)
    return {
        (task.name, c): models.predictions(dict.fromkeys(finetuned, c), task, "test")
        for task in tasks
        for c in COEFFICIENTS
    }


@torch.no_grad()
def swept_by_passes(model, finetuned, tasks: list[PreparedTask]) -> Predictions:  # type: ignore[no-untyped-def]
    """A pass over all data for every coefficient: f0 + J (c sum_t tau_t)."""
    lin = taujp.linearize(model.visual)
    tau = {
        name: sum(own[f"visual.{name}"] - theta0 for own in finetuned.values())
        for name, theta0 in lin.theta0.items()
    }
    found = {}
    for c in COEFFICIENTS:
        direction = {name: c * value for name, value in tau.items()}
        for task in tasks:
            labels = []
            for images, _ in DataLoader(task.splits.test, BATCH):
                f0, (df,) = lin.tangents(images, task_vectors=[direction])
                labels.append(task.head(f0 + df).argmax(-1))
            found[task.name, c] = torch.cat(labels)
    return found


def timed(work):  # type: ignore[no-untyped-def]
    """What it returns, and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
