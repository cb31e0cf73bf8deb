"""Peak memory of a training step with the tauJp penalty on the CPU: against plain torch.

python benchmarks/tangent_memory.py

Each in a process of its own: the most resident memory (VmHWM) over two steps, beyond what the
process held before it made the model; weights, gradients and all temporaries are in it.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from record import Record
from tangent_peers import batched, published_loop, tangents_of
from tangent_step import Problem, dual_step, four_layers, linearized, problem, vit

MODELS: dict[str, tuple[str, Callable[[], Problem]]] = {
    "w384": (
        "4 layers, width 384, 64 + 8 x 8",
        lambda: problem(four_layers(), train=64, controls=8, rows=8),
    ),
    "ViT-B-32": (
        "ViT-B-32, 8 + 8 x 2",
        lambda: problem(vit("ViT-B-32"), train=8, controls=8, rows=2),
    ),
}
TARGETS = {"w384": 0.65}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "HOW"), help=argparse.SUPPRESS)
    one = parser.parse_args().one
    if one:
        print(json.dumps(peak(*one)))
        return
    record = Record("tangent_memory")
    for model, (what, _) in MODELS.items():
        peaks = {how: in_a_process(model, how) for how in STEPS}
        record.raw[what] = peaks
        for how, says in (("taujp", "taujp"), ("chunked", "taujp, chunk=16")):
            share = peaks[how]["peak"] / peaks["loop"]["peak"]
            target = TARGETS.get(model) if how == "taujp" else None
            line = f"{what}: {says}, peak memory of the published loop's"
            record.add(line, share, "", target, at_least=False)
        record.add(f"{what}: taujp, peak memory", peaks["taujp"]["peak"] / 2**20, "MiB")
    record.finish()


def in_a_process(model: str, how: str) -> dict[str, float]:
    """`peak` in a fresh interpreter."""
    command = [sys.executable, __file__, "--one", model, how]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment())
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def taujp_step(p: Problem, **options: int) -> Callable[[], object]:
    """taujp holds theta and theta0 itself: the problem's own weights go."""
    lin = linearized(p, **options)
    bare = replace(p, encoder=torch.nn.Identity(), theta0={}, theta={})
    return lambda: dual_step(bare, lin)


STEPS: dict[str, Callable[[Problem], Callable[[], object]]] = {
    "taujp": taujp_step,
    "chunked": lambda p: taujp_step(p, chunk=16),
    "loop": lambda p: lambda: published_loop(p),
    "batched": lambda p: lambda: batched(p, tangents_of(p.encoder)),
}


def peak(model: str, how: str) -> dict[str, float]:
    """Bytes: the most that was resident during the steps, and what was before they began."""
    import open_clip  # noqa: F401  (a library's memory is not the step's)

    torch.set_num_threads(1)
    before = resident("VmRSS")
    p = MODELS[model][1]()
    step = STEPS[how](p)
    del p
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    held = resident("VmRSS") - before
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    for _ in range(2):
        step()
    return {"peak": resident("VmHWM") - before, "held": held}


def resident(field: str) -> int:
    """Bytes of a line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"tangent_memory: /proc/self/status has no {field}; expected Linux")


if __name__ == "__main__":
    main()
