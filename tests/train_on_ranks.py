"""Fine-tunes as the ranks of a torchrun job, or as one process: what test_train_ranks.py compares.

torchrun --nproc-per-node 2 train_on_ranks.py FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from small_clip import colour_images, head_of, side_images, small_clip
from taujp.train import Finetuned, Recipe, distil, finetune, make_fabric
from taujp.train.invariance import finetune_invariantly
from taujp.train.objectives import make_objective
from taujp.train.penalties import Orthogonal, TauJp

RECIPE = Recipe(steps=4, batch_size=16, learning_rate=3e-3, warmup_steps=1, save_every=2)
INVARIANT = {"irmv1": {}, "ib_irm": {"over": "class"}, "birm": {"estimator": "split"}, "pair": {}}
RUNS = ("standard", "linear", "lora", "teacher", *INVARIANT)


def train(kind: str, out: Path) -> Finetuned:
    """In fp64, so that sums in another order agree to many digits; "linear" in two parts."""
    model = small_clip()
    control = {"side": side_images(30, 0), "colour": colour_images(30, 1)}
    data = model, head_of(model, ("red", "green", "blue")), colour_images(60, 0)
    options = {
        "penalties": [TauJp(control, batch_size=8), Orthogonal(weight=0.01)],
        "out": out / f"{kind}.safetensors",
        "fabric": make_fabric(precision="fp64"),
        "progress": False,
    }
    if kind in INVARIANT:
        environments = {"bright": data[2], "dark": colour_images(40, 4)}
        objective = make_objective(kind, anneal=2, **INVARIANT[kind])
        mode = "standard" if kind == "pair" else "linear"
        return finetune_invariantly(
            *data[:2], environments, objective, RECIPE, mode=mode, **options
        )
    if kind == "teacher":
        return distil(*data, RECIPE, reference=side_images(40, 3), **options)
    recipe = replace(RECIPE, accumulate=2 if kind == "linear" else 1)
    return finetune(*data, recipe, mode=kind, **options)


if __name__ == "__main__":
    for kind in RUNS:
        train(kind, Path(sys.argv[1]))
