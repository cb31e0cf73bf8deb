"""Protocols on the demo's model and tasks, against reloading everything at every coefficient.

    python benchmarks/protocols.py [--steps N] [--workers N ...]

(a) A sweep of 21 coefficients over four tasks' validation data, from nothing in memory to scores:
ours against `reloading.py`, for ordinary and for linearised models. The peer runs with the earlier
code's 16 loading processes, and with none, which is faster on few cores. Predictions first: they
have to be the same. (b) All 16 subsets and a 21 x 21 disentanglement map of linearised models, when
the tangents are there, against evaluating one ordinary model once on the same test data.

Both sides have all of torch's threads.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from demo_world import finetuned, load
from measure import once, seconds
from protocol_maps import maps
from record import Record
from reloading import EARLIER_WORKERS, Predictions, reloading_sweep

from taujp.evaluate import COEFFICIENTS, merged_models
from taujp.evaluate.outputs import predicted

WAYS = {"standard": "ordinary", "linear": "linearised"}
TARGETS = {"standard": 3.0, "linear": 10.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30, help="of fine-tuning, for each task")
    workers = "the peer's loading processes (default: the earlier code's 16, and 0)"
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[EARLIER_WORKERS, 0], help=workers
    )
    options = parser.parse_args()
    record = Record("protocols", raw={"threads": torch.get_num_threads(), "seconds": {}})
    with TemporaryDirectory() as scratch:
        checkpoints = finetuned(Path(scratch), options.steps)
        for mode in WAYS:
            ours = sweep(record, mode, checkpoints[mode])
            for workers in options.workers:
                against(record, mode, checkpoints[mode], Path(scratch), workers, ours)
        maps(record, checkpoints["linear"])
    record.finish()


def sweep(record: Record, mode: str, checkpoints: Mapping[str, Path]) -> float:
    """Seconds of ours."""
    own = seconds(lambda: scored(checkpoints), repeats=3, warmups=0)
    record.raw["seconds"][mode] = {"ours": own}
    return own


def against(
    record: Record,
    mode: str,
    checkpoints: Mapping[str, Path],
    heads: Path,
    workers: int,
    own: float,
) -> None:
    """The same predictions, then the ratio of times."""
    theirs: Predictions = {}

    def peer() -> None:
        found = reloading_sweep(
            COEFFICIENTS, checkpoints, heads, linearised=mode == "linear", workers=workers
        )
        theirs.update(found)

    taken, ours = once(peer), swept(checkpoints)
    record.raw["seconds"][mode][f"peer, {workers} workers"] = taken
    differing = sum(int((ours[key] != theirs[key]).sum()) for key in ours)
    total = sum(len(labels) for labels in ours.values())
    what = f"{WAYS[mode]}, {workers} workers"
    record.add(f"{what}: predictions of {total} that differ", differing, "", 0, at_least=False)
    target = TARGETS[mode] if workers == EARLIER_WORKERS else None
    record.add(f"{what}: 21 coefficients, the peer's time over ours", taken / own, "x", target)


def rows_of(checkpoints: Mapping[str, Path]) -> list[dict[str, float]]:
    return [dict.fromkeys(checkpoints, coefficient) for coefficient in COEFFICIENTS]


def scored(checkpoints: Mapping[str, Path]) -> None:
    """All metrics of every task at every coefficient, as `addition` asks for them."""
    demo, tasks = load()
    models = merged_models(demo.model, checkpoints)
    for task in tasks:
        models.scores(rows_of(checkpoints), task, "validation")


def swept(checkpoints: Mapping[str, Path]) -> Predictions:
    """The predictions behind these scores."""
    demo, tasks = load()
    models = merged_models(demo.model, checkpoints)
    found = {}
    for task in tasks:
        outputs = models.outputs(rows_of(checkpoints), task, "validation", keep=predicted)
        for coefficient, one in zip(COEFFICIENTS, outputs, strict=True):
            found[task.name, coefficient] = one.values
    return found


if __name__ == "__main__":
    main()
