"""The tangents' kernels: each against plain torch, in GB/s or GFLOP/s of the machine's own.

python benchmarks/tangent_kernels.py [--device cuda] [--dtype bfloat16] [--threads 1]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import torch
from measure import interleaved
from record import Record
from torch import Tensor

from taujp.tangent import kernels

Work = Callable[[], object]
ROWS, WIDTH, HIDDEN = 24 * 50, 768, 3072  # ViT-B-32: 24 images
# batch, heads, tokens, width of a head
HEADS = [
    (24, 12, 50, 64),
    (8, 12, 197, 64),
    (8, 16, 257, 64),
    (8, 8, 77, 64),
    (8, 16, 257, 80),
    (8, 6, 65, 32),
]
aten = torch.ops.aten


def main() -> None:
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    device, dtype = torch.device(arguments.device), getattr(torch, arguments.dtype)
    record = Record("tangent_kernels")
    if device.type == "cuda":
        record.raw["device"] = torch.cuda.get_device_name()
    record.raw |= {"dtype": arguments.dtype, "threads": arguments.threads}
    for name, works, amount, unit in (*rows(device, dtype), *attention(device, dtype)):
        compare(record, name, works, amount, unit)
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


Case = tuple[str, dict[str, Work], float, str]


def compare(record: Record, name: str, works: dict[str, Work], amount: float, unit: str) -> None:
    """The answers first, then the best times of both, taken in turns."""
    if works:
        ours, theirs = works["taujp"](), works.get("torch", works["taujp"])()
        check(name, ours, theirs)
    best = interleaved({label: waited(work) for label, work in works.items()}, repeats=15)
    record.raw[name] = best
    record.add(name, amount / best["taujp"] / 1e9, unit)
    if "torch" in best:
        record.add(f"{name}: faster than torch", best["torch"] / best["taujp"], "x", 1.0)


def waited(work: Work) -> Work:
    """With the GPU's queue emptied, where there is one."""

    def run() -> None:
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return run


def check(name: str, ours: object, theirs: object) -> None:
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
    for one, other in pairs:
        room = 1e-5 if one.dtype == torch.float32 else 0.03
        error = (one.double() - other.double()).abs().max() / other.double().abs().max()
        assert error <= room, f"{name}: {error:.2g} away from torch"


def rows(device: torch.device, dtype: torch.dtype) -> list[Case]:
    """Layer norm, the GELUs, tau and row norms: bounded by memory; bytes read + written."""
    make = lambda *shape: torch.randn(shape, device=device).to(dtype)  # noqa: E731
    x, dx, g, dg = make(ROWS, WIDTH), make(ROWS, WIDTH), make(ROWS, HIDDEN), make(ROWS, HIDDEN)
    scales = make(3, WIDTH)
    _, mean, rstd = torch.native_layer_norm(x, (WIDTH,), None, None, 1e-5)
    theta, theta0 = ([make(HIDDEN, WIDTH) for _ in range(8)] for _ in range(2))
    norms = make(512, 512)
    found: list[Case] = [
        (
            "layer norm",
            {
                "taujp": lambda: kernels.layer_norm_tangent(x, dx, mean, rstd, *scales),
                "torch": lambda: plain_layer_norm(x, dx, mean, rstd, *scales),
            },
            3 * x.nbytes,
            "GB/s",
        )
    ]
    gelus: dict[str, Work] = {
        "none": lambda: aten.gelu_backward(dg, g, approximate="none"),
        "tanh": lambda: aten.gelu_backward(dg, g, approximate="tanh"),
        "quick": lambda: plain_quick_gelu(g, dg),
    }
    for name, plain in gelus.items():
        ours = lambda name=name: kernels.gelu_tangent(g, dg, name)  # noqa: E731
        found.append((f"GELU, {name}", {"taujp": ours, "torch": plain}, 3 * g.nbytes, "GB/s"))
    size = sum(2 * one.nbytes + 2 * one.numel() for one in theta)
    works = {
        "taujp": lambda: kernels.deltas(theta, theta0, torch.bfloat16),
        "torch": lambda: [one.bfloat16() for one in torch._foreach_sub(theta, theta0)],
    }
    found.append(("theta - theta0 in bf16, 8 x 2.4 M", works, size, "GB/s"))
    works = {
        "taujp": lambda: kernels.row_norm(norms),
        "torch": lambda: torch.linalg.vector_norm(norms, dim=1),
    }
    return [*found, ("row norms, 512 x 512", works, norms.nbytes, "GB/s")]


def plain_layer_norm(
    x: Tensor,
    dx: Tensor,
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor,
    dweight: Tensor,
    dbias: Tensor,
) -> Tensor:
    """As one writes it in torch."""
    normal = (x - mean) * rstd
    along = (dx * normal).mean(-1, keepdim=True)
    dn = rstd * (dx - dx.mean(-1, keepdim=True) - normal * along)
    return (weight * dn + dweight * normal + dbias).to(x.dtype)


def plain_quick_gelu(x: Tensor, dx: Tensor) -> Tensor:
    """As one writes it in torch."""
    s = torch.sigmoid(1.702 * x)
    return (s + 1.702 * x * s * (1 - s)) * dx


def attention(device: torch.device, dtype: torch.dtype) -> list[Case]:
    """Attention of views of packed projections: bounded by arithmetic; 5 products of 2 N^2 D."""
    side = 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    found: list[Case] = [
        ("peak: a matrix product", {"taujp": lambda: a @ b}, 2.0 * side**3, "GF/s")
    ]
    for batch, heads, tokens, width in HEADS:
        q, k, v, dq, dk, dv = (
            one.unflatten(-1, (heads, -1)).transpose(1, 2)
            for _ in range(2)
            for one in torch.randn(batch, tokens, 3 * heads * width, device=device)
            .to(dtype)
            .chunk(3, -1)
        )
        given = (q, k, v, dq, dk, dv)
        works = {
            "taujp": lambda given=given: kernels.attention_tangent(*given),
            "torch": lambda given=given: plain_attention(*given),
        }
        amount = 10.0 * batch * heads * tokens**2 * width
        found.append(
            (f"attention, {batch} x {heads} heads, {tokens} x {width}", works, amount, "GF/s")
        )
    return found


def plain_attention(q: Tensor, k: Tensor, v: Tensor, dq: Tensor, dk: Tensor, dv: Tensor) -> Tensor:
    """Batched products, as few as there can be: tangents beside primals in one product."""
    q, dq = q / math.sqrt(q.shape[-1]), dq / math.sqrt(q.shape[-1])
    p = torch.softmax(q @ k.mT, -1)
    ds = torch.cat([dq, q], -1) @ torch.cat([k, dk], -1).mT
    dp = aten._softmax_backward_data(ds, p, -1, p.dtype)
    return torch.cat([dp, p], -1) @ torch.cat([v, dv], -2)


if __name__ == "__main__":
    main()
