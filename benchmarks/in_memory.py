"""In memory: linear, task arithmetic, 16 models at once, TIES; against plain torch and mergekit.

python benchmarks/in_memory.py --peer-python /path/to/python/with/mergekit
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import plain_torch
import torch
from commands import add_peer_python
from measure import bandwidth_of, copies, interleaved
from record import Record
from safetensors.torch import load_file, save_file
from torch import Tensor

import taujp

State = dict[str, Tensor]
N = 8
COEFS = [0.1 + 0.02 * i for i in range(N)]
MATRIX = (2000, 2000)
PEER = Path(__file__).with_name("peer_ties.py")


def main() -> None:
    arguments = parsed()
    record = Record("in_memory")
    linear_and_task_arithmetic(record)
    one_large_tensor(record)
    if not arguments.skip_ties:
        ties(record, arguments.peer_python)
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_peer_python(parser)
    parser.add_argument("--skip-ties", action="store_true")
    return parser.parse_args()


def states(matrices: int, shape: tuple[int, ...] = MATRIX) -> tuple[State, list[State]]:
    """A base of so many fp32 tensors of that shape, and N fine-tunes."""
    generator = torch.Generator().manual_seed(0)
    base = {f"w{i}": torch.randn(shape, generator=generator) for i in range(matrices)}
    tuned = [
        {
            name: theta + 0.02 * torch.randn(shape, generator=generator)
            for name, theta in base.items()
        }
        for _ in range(N)
    ]
    return base, tuned


def linear_and_task_arithmetic(record: Record) -> None:
    """8 x 40 M fp32: of the machine's copy bandwidth, and against plain torch."""
    base, ckpts = states(10)
    rows = [[c * (1 + k / 16) for c in COEFS] for k in range(16)]
    works: dict[str, Callable[[], object]] = {
        "linear": lambda: taujp.merge_many(ckpts, COEFS),
        "linear, torch as written": lambda: plain_torch.summed(ckpts, COEFS),
        "linear, torch in place": lambda: plain_torch.summed_in_place(ckpts, COEFS),
        "task arithmetic": lambda: taujp.merge_many(ckpts, COEFS, base),
        "task arithmetic, torch as written": lambda: plain_torch.summed_task_vectors(
            ckpts, COEFS, base
        ),
        "task arithmetic, torch in place": lambda: plain_torch.added_in_place(ckpts, COEFS, base),
        "16 models, linear": lambda: taujp.merge_many(ckpts, rows),
        "16 models, task arithmetic": lambda: taujp.merge_many(ckpts, rows, base),
        **in_place(ckpts, rows, base),
        **copies(),  # in turns with the merges: this machine's speed drifts
    }
    check(taujp.merge_many(ckpts, COEFS), plain_torch.summed(ckpts, COEFS))
    expected = plain_torch.summed_task_vectors(ckpts, COEFS, base)
    check(taujp.merge_many(ckpts, COEFS, base), expected)
    check(taujp.merge_many(ckpts, rows, base)[0], expected)
    best = interleaved(works)
    record.raw["seconds"] = best
    bandwidth = bandwidth_of(best)
    record.raw["copy_bytes_per_second"] = bandwidth
    record.add("copy bandwidth, read + written", bandwidth / 1e9, "GB/s")
    one = sum(t.nbytes for t in base.values())
    for name, states_read in (("linear", N), ("task arithmetic", N + 1)):
        for where in ("into new memory", "into given memory"):
            key = name if where == "into new memory" else f"{name}, {where}"
            share = (states_read + 1) * one / best[key] / bandwidth
            record.add(f"{name}, 8 x 40 M fp32, {where}, of copy bandwidth", share, "", 0.85)
    record.add(
        "task arithmetic, faster than summing task vectors in torch, ten tensors of 4 M",
        best["task arithmetic, torch as written"] / best["task arithmetic"],
        "x",
        10,
    )
    for name, torch_name in (
        ("linear", "linear, torch as written"),
        ("linear", "linear, torch in place"),
        ("task arithmetic", "task arithmetic, torch in place"),
    ):
        record.add(f"faster than {torch_name}", best[torch_name] / best[name], "x")
    for name in ("linear", "task arithmetic"):
        for where in ("", ", into given memory"):
            ratio = best[f"16 models, {name}{where}"] / best[f"{name}{where}"]
            line = f"16 coefficient vectors at once, {name}{where}, of one"
            record.add(line, ratio, "x", 3, at_least=False)


def in_place(ckpts: list[State], rows: list[list[float]], base: State) -> dict:
    """The same merges into memory that is there already, as the copy they are measured against."""
    one, many = taujp.merge_many(ckpts, COEFS), taujp.merge_many(ckpts, rows)
    where = ", into given memory"
    return {
        f"linear{where}": lambda: taujp.merge_many(ckpts, COEFS, out=one),
        f"task arithmetic{where}": lambda: taujp.merge_many(ckpts, COEFS, base, out=one),
        f"16 models, linear{where}": lambda: taujp.merge_many(ckpts, rows, out=many),
        f"16 models, task arithmetic{where}": lambda: taujp.merge_many(ckpts, rows, base, out=many),
    }


def one_large_tensor(record: Record) -> None:
    """Task arithmetic of 8 tensors of 40 M each, which no cache holds."""
    base, ckpts = states(1, (40_000_000,))
    ours, torch_sum = "task arithmetic", "torch as written"
    best = interleaved(
        {
            ours: lambda: taujp.merge_many(ckpts, COEFS, base),
            torch_sum: lambda: plain_torch.summed_task_vectors(ckpts, COEFS, base),
        }
    )
    record.raw["one_large_tensor_seconds"] = best
    line = "task arithmetic, faster than summing task vectors in torch, one tensor of 40 M"
    record.add(line, best[torch_sum] / best[ours], "x", 10)


def check(merged: State, expected: State, share: float = 0.0) -> None:
    """The answer first; `share` of the elements may differ: votes and ranks within a rounding."""
    for name, tensor in merged.items():
        off = (tensor - expected[name]).abs() > 1e-5 * (1 + expected[name].abs())
        assert off.sum() <= share * off.numel(), f"{name}: {int(off.sum())} elements differ"


def ties(record: Record, peer_python: str | None) -> None:
    """8 x 20 M fp32, density 0.2: against plain torch and mergekit's in-memory merge."""
    base, ckpts = states(5)

    def by(threshold: Callable[[Tensor, int], Tensor]) -> Callable[[], State]:
        return lambda: plain_torch.ties(ckpts, COEFS, base, 0.2, threshold)

    ours = lambda: taujp.merge_many(ckpts, COEFS, base, method="ties", density=0.2)  # noqa: E731
    plain = {
        "kthvalue": by(plain_torch.threshold_by_kthvalue),
        "topk": by(plain_torch.threshold_by_topk),
    }
    check(ours(), plain["topk"](), share=1e-5)
    best = interleaved({"taujp": ours, **plain}, repeats=3)
    record.raw["ties_seconds"] = best
    fastest = min(plain, key=best.__getitem__)
    ratio = best[fastest] / best["taujp"]
    record.add(f"TIES, 8 x 20 M fp32, faster than plain torch ({fastest})", ratio, "x", 15)
    if peer_python:
        theirs = by_mergekit(peer_python, [base, *ckpts], ours())
        record.raw["ties_seconds"]["mergekit"] = theirs
        record.add(
            "TIES, 8 x 20 M fp32, faster than mergekit in memory", theirs / best["taujp"], "x", 20
        )


def by_mergekit(python: str, models: Sequence[State], ours: State) -> float:
    """Seconds of mergekit's in-memory merge in its interpreter; its answer is compared."""
    with tempfile.TemporaryDirectory() as folder:
        for i, model in enumerate(models):
            save_file(model, Path(folder, f"{i}.safetensors"))
        command = [python, str(PEER), folder, *map(str, COEFS)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        check(ours, load_file(Path(folder, "merged.safetensors")), share=1e-5)
    print(ran.stdout, end="", file=sys.stderr)
    return float(ran.stdout.split()[-1])


if __name__ == "__main__":
    main()
