"""The objectives' kernel against autograd's double backward: IRMv1's gradient in the logits.

python benchmarks/objective_kernel.py

8 environments of 4096 rows and 1000 classes. The peer differentiates the mean cross-entropy of
every environment by a scale, keeps the graph, and goes backward through both; answers are compared
first. Times in turns in one process; memory in a process each: the most resident memory (VmHWM)
beyond what was there with the logits, which both are given.
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
from pathlib import Path

import torch
from measure import interleaved
from record import Record
from torch import Tensor, nn
from torch.nn import functional

from taujp.train.objectives import Environments, make_objective

ENVIRONMENTS, ROWS, CLASSES = 8, 4096, 1000
WEIGHT = 100.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("HOW", "DRAWS"), help=argparse.SUPPRESS)
    one = parser.parse_args().one
    torch.set_num_threads(1)
    if one:
        print(json.dumps(peak(one[0], int(one[1]))))
        return
    record = Record("objective_kernel")
    for draws, name in ((0, "IRMv1"), (5, "BIRM, 5 draws")):
        agree(draws)
        logits, environments = problem()
        works = {how: make(logits, environments, draws) for how, make in HOW.items()}
        times = interleaved(works, repeats=5 if draws == 0 else 2)
        peaks = {how: in_a_process(how, draws) for how in HOW}
        record.raw[name] = {"seconds": times, "peak bytes": peaks}
        for how in HOW:
            record.add(f"{name}: {how}, value and gradient", 1e3 * times[how], "ms")
        targets = (5.0, 1 / 3) if draws == 0 else (None, None)
        speed = times["autograd twice"] / times["taujp"]
        record.add(f"{name}: times faster than autograd twice", speed, "x", targets[0])
        share = peaks["taujp"] / peaks["autograd twice"]
        record.add(f"{name}: memory of autograd twice's", share, "", targets[1], at_least=False)
    record.finish()


def problem(rows: int = ROWS, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Environments]:
    """Logits of all environments, one after another."""
    torch.manual_seed(0)
    logits = 2 * torch.randn(ENVIRONMENTS * rows, CLASSES, dtype=dtype)
    labels = torch.randint(0, CLASSES, (ENVIRONMENTS * rows,))
    names = [f"environment {number}" for number in range(ENVIRONMENTS)]
    return logits.requires_grad_(), Environments.joined(labels.chunk(ENVIRONMENTS), names)


def by_kernel(logits: Tensor, environments: Environments, draws: int) -> Callable[[], Tensor]:
    """The gradient of mean R_e + weight * mean (dR_e/dw)^2, at w = 1 or as a mean over drawn w."""
    options = {"draws": draws} if draws else {"estimator": "square"}
    objective = make_objective("birm" if draws else "irmv1", weight=WEIGHT, anneal=0, **options)

    def step() -> Tensor:
        loss, _ = objective(logits, nn.Identity(), environments)
        return torch.autograd.grad(loss, logits)[0]

    return step


def by_autograd(logits: Tensor, environments: Environments, draws: int) -> Callable[[], Tensor]:
    """The same as its papers' code does it."""
    scales = torch.ones(1, ENVIRONMENTS)
    if draws:
        scales = make_objective("birm", draws=draws).drawn_scales(ENVIRONMENTS)
    labels = environments.labels.chunk(ENVIRONMENTS)

    def step() -> Tensor:
        loss: Tensor = torch.zeros(())
        for number, part in enumerate(logits.chunk(ENVIRONMENTS)):
            if draws:
                loss = loss + functional.cross_entropy(part, labels[number]) / ENVIRONMENTS
            for draw in scales:
                w = draw[number].to(logits.dtype).clone().requires_grad_()
                risk = functional.cross_entropy(part * w, labels[number])
                (slope,) = torch.autograd.grad(risk, w, create_graph=True)
                loss = loss + (not draws) * risk / ENVIRONMENTS
                loss = loss + WEIGHT * slope**2 / (ENVIRONMENTS * len(scales))
        return torch.autograd.grad(loss, logits)[0]

    return step


HOW = {"taujp": by_kernel, "autograd twice": by_autograd}


def agree(draws: int) -> None:
    """The kernel's gradient in fp64 is the peer's to 1e-12, of the largest entry, at fewer rows."""
    logits, environments = problem(rows=32, dtype=torch.float64)
    found, expected = (make(logits, environments, draws)() for make in HOW.values())
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    if not error <= 1e-12:
        raise AssertionError(f"objective_kernel: the gradients differ by {error:.3g}")


def in_a_process(how: str, draws: int) -> int:
    """`peak` in a fresh interpreter."""
    command = [sys.executable, __file__, "--one", how, str(draws)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: int = json.loads(ran.stdout.splitlines()[-1])
    return found


def peak(how: str, draws: int) -> int:
    """Bytes: the most that was resident in a step beyond the logits."""
    HOW[how](*problem(rows=2), draws)()  # libraries and threads are no part of it
    step = HOW[how](*problem(), draws)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    step()
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """Bytes of a line of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"objective_kernel: /proc/self/status has no {field}; expected Linux")


if __name__ == "__main__":
    main()
