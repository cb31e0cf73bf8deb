"""A training step with the tauJp penalty on a CUDA device: time, memory, share of the bound.

python benchmarks/tangent_on_gpu.py                    # ViT-B-32 and ViT-L-14, bf16 and TF32
python benchmarks/tangent_on_gpu.py --model ViT-B-32   # one of them
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from record import Record
from tangent_peers import batched, compiled, published_loop
from tangent_step import (
    Parameters,
    Problem,
    Step,
    arithmetic,
    dual_step,
    linearized,
    problem,
    vit,
)

MODELS = ("ViT-B-32", "ViT-L-14")
TRAIN, CONTROLS, ROWS = 128, 8, 16
REPEATS = 5


@dataclass(frozen=True)
class Precision:
    """How matrix products are computed, and how far that lets a gradient lie from another's."""

    name: str
    autocast: torch.dtype | None
    tolerance: float


PRECISIONS = (Precision("bf16", torch.bfloat16, 5e-2), Precision("TF32", None, 1e-2))


@dataclass(frozen=True)
class Measured:
    """Seconds and bytes of a step; None where it ran out of memory."""

    seconds: float
    peak: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, action="append")
    models = parser.parse_args().model or list(MODELS)
    if not torch.cuda.is_available():
        sys.exit("tangent_on_gpu: no CUDA device is visible to torch; nothing measured")
    record = Record("tangent_on_gpu", raw={"device": torch.cuda.get_device_name()})
    for name in models:
        for precision in PRECISIONS:
            with computing_in(precision):
                measure(record, name, precision)
            torch.compiler.reset()
            collect()
    record.finish()


@contextlib.contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """TF32 for fp32 products; autocast on top where there is one."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    enabled = precision.autocast is not None
    try:
        with torch.autocast("cuda", dtype=precision.autocast, enabled=enabled):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def measure(record: Record, name: str, precision: Precision) -> None:
    """Agreement, then time and memory of each, then the share of the bound."""
    what = f"{name}, {TRAIN} + {CONTROLS} x {ROWS}, {precision.name}"
    p = problem(vit(name).cuda(), train=TRAIN, controls=CONTROLS, rows=ROWS)
    lin = linearized(p)
    ours = lambda: dual_step(p, lin)  # noqa: E731
    check_on_few_rows(p, precision)
    fast = compiled(p.encoder)
    found = {
        "taujp": measured(ours),
        "loop": measured(lambda: published_loop(p)),
        "compiled": measured(lambda: batched(p, fast)),
    }
    record.raw[what] = {how: None if m is None else vars(m) for how, m in found.items()}
    mine = found["taujp"]
    if mine is None:
        sys.exit(f"tangent_on_gpu: {what}: taujp's own step ran out of memory")
    for how, says, target in (
        ("loop", "the published loop", 5),
        ("compiled", "one batched jvp, compiled", 1.5),
    ):
        if (peer := found[how]) is None:
            print(f"{what}: {says} ran out of memory")
            continue
        record.add(f"{what}: faster than {says}", peer.seconds / mine.seconds, "x", target)
        target = 0.5 if how == "loop" else None
        line = f"{what}: peak memory, of {says}'s"
        record.add(line, mine.peak / peer.peak, "", target, at_least=False)
    rate = peak_rate(precision)
    record.raw[what]["flops_per_second"] = rate
    record.add(
        f"{what}: of the arithmetic bound at {rate / 1e12:.0f} TFLOP/s",
        arithmetic(p) / rate / mine.seconds,
        "",
    )
    record.add(f"{what}: taujp", 1e3 * mine.seconds, "ms")


def check_on_few_rows(p: Problem, precision: Precision) -> None:
    """Loss, penalty and gradient against the published loop, before anything is timed."""
    few = replace(
        p, images=p.images[:4], labels=p.labels[:4], controls=tuple(c[:2] for c in p.controls[:2])
    )
    ours, theirs = dual_step(few, linearized(few)), published_loop(few)
    for what, a, b in (
        ("loss", ours.loss, theirs.loss),
        ("penalty", ours.penalty, theirs.penalty),
        ("gradient", joined(ours.grad_theta), joined(theirs.grad_theta)),
    ):
        off = float((a - b).norm() / b.norm())
        assert off <= precision.tolerance, f"{precision.name}: {what} is {off:.2g} off the loop's"


def joined(state: Parameters) -> torch.Tensor:
    return torch.cat([t.flatten().float() for t in state.values()])


def measured(step: Callable[[], Step]) -> Measured | None:
    """The best of the runs by the device's clock, and the most memory that tensors took."""
    collect()
    torch.cuda.reset_peak_memory_stats()
    best = float("inf")
    try:
        for turn in range(REPEATS + 2):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            step()
            end.record()
            torch.cuda.synchronize()
            if turn >= 2:
                best = min(best, start.elapsed_time(end) / 1e3)
    except torch.cuda.OutOfMemoryError:
        return None
    return Measured(best, torch.cuda.max_memory_allocated())


def peak_rate(precision: Precision, size: int = 8192) -> float:
    """Operations a second of one large matrix product in this precision."""
    dtype = precision.autocast or torch.float32
    a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        a @ b
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end) / 1e3)
    return 2.0 * size**3 / best


def collect() -> None:
    """Gives memory back that nothing holds."""
    gc.collect()
    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
