"""On a CUDA device: the same bits as the CPU, and the share of its copy bandwidth.

python benchmarks/on_gpu.py
"""

from __future__ import annotations

import sys

import torch
from record import Record
from torch import Tensor

import taujp

State = dict[str, Tensor]
N = 8
COEFS = [0.1 + 0.02 * i for i in range(N)]


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("on_gpu: no CUDA device is visible to torch; nothing measured")
    record = Record("on_gpu", raw={"device": torch.cuda.get_device_name()})
    same_bits_as_cpu(record)
    bandwidth = copy_bandwidth()
    record.raw["copy_bytes_per_second"] = bandwidth
    record.add("copy bandwidth, read + written", bandwidth / 1e9, "GB/s")
    for dtype in (torch.float32, torch.bfloat16):
        base, ckpts = states(10 if dtype == torch.float32 else 20, dtype)
        measure(record, base, ckpts, bandwidth, str(dtype).removeprefix("torch."))
        del base, ckpts
    record.finish()


def states(matrices: int, dtype: torch.dtype, width: int = 2000) -> tuple[State, list[State]]:
    """A base of so many square matrices on the device, and N fine-tunes."""
    shape = (width, width)

    def noise() -> Tensor:
        return torch.randn(shape, device="cuda")

    base = {f"w{i}": noise().to(dtype) for i in range(matrices)}
    tuned = [
        {name: (theta.float() + 0.02 * noise()).to(dtype) for name, theta in base.items()}
        for _ in range(N)
    ]
    return base, tuned


def seconds(work, *, repeats: int = 10) -> float:  # type: ignore[no-untyped-def]
    """The best of the runs, by the device's own clock, the launch from Python included."""
    best = float("inf")
    for _ in range(repeats + 2):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end) / 1e3)
    return best


def copy_bandwidth(nbytes: int = 2_000_000_000) -> float:
    """Bytes read + written a second by the device's own copy."""
    source = torch.empty(nbytes, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * nbytes / seconds(lambda: target.copy_(source))


def same_bits_as_cpu(record: Record) -> None:
    """Every method and dtype, before anything is timed."""
    differing = 0
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        base, ckpts = states(2, dtype, width=301)
        host = [{name: t.cpu() for name, t in state.items()} for state in (base, *ckpts)]
        for method in (
            name for name, m in taujp.methods().items() if m.most is None and not m.tensors
        ):
            with_base = taujp.methods()[method].needs_base
            there = taujp.merge_many(ckpts, COEFS, base if with_base else None, method=method)
            here = taujp.merge_many(host[1:], COEFS, host[0] if with_base else None, method=method)
            for name, tensor in here.items():
                words = torch.int32 if dtype == torch.float32 else torch.int16
                same = torch.equal(tensor.view(words), there[name].cpu().view(words))
                differing += not same
    record.add("merges whose bits differ from the CPU's", differing, "", 0, at_least=False)


def measure(record: Record, base: State, ckpts: list[State], bandwidth: float, dtype: str) -> None:
    """The share of copy bandwidth, by the bytes that have to move once."""
    one = sum(t.nbytes for t in base.values())
    for method, target in (
        ("linear", 0.9),
        ("task_arithmetic", 0.9),
        ("ties", 0.6),
        ("dare_ties", None),
    ):
        theta0 = None if method == "linear" else base
        taken = seconds(
            lambda theta0=theta0, method=method: taujp.merge_many(
                ckpts, COEFS, theta0, method=method
            )
        )
        # TIES has to read everything twice: no threshold is known before all was seen.
        passes = 2 if method == "ties" else 1
        moved = (passes * (N + (theta0 is not None)) + 1) * one
        record.raw[f"{method} {dtype}"] = {"seconds": taken, "bytes": moved, "passes": passes}
        what = f"{method}, 8 x {one // base['w0'].element_size() / 1e6:.0f} M {dtype}"
        record.add(f"{what}, of copy bandwidth", moved / taken / bandwidth, "", target)


if __name__ == "__main__":
    main()
