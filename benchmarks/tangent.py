"""A training step with the tauJp penalty on the CPU, one thread: against plain torch, three ways.

python benchmarks/tangent.py                  # about half an hour, most of it the published loop
python benchmarks/tangent.py --skip-compiled  # without the minutes torch.compile takes
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measure import interleaved
from record import Record
from tangent_peers import batched, compiled, published_loop, tangents_of
from tangent_step import Problem, Step, arithmetic, dual_step, four_layers, linearized, problem, vit

PRODUCT = (1200, 768, 3072)  # rows, in, out: ViT-B-32's largest, for 24 images


def main() -> None:
    arguments = parsed()
    torch.set_num_threads(1)
    record = Record("tangent_four_layers" if arguments.four_layers else "tangent")
    if not arguments.four_layers:
        b32 = problem(vit("ViT-B-32"), train=8, controls=8, rows=2)
        measure(record, "ViT-B-32, 8 + 8 x 2", b32, {"loop": 4, "compiled": 1}, arguments)
    small = problem(four_layers(), train=64, controls=8, rows=8)
    measure(record, "4 layers, width 384, 64 + 8 x 8", small, {"loop": 1.7}, arguments)
    record.finish()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skip-compiled", action="store_true")
    parser.add_argument("--four-layers", action="store_true", help="only the small tower")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def measure(
    record: Record, what: str, p: Problem, targets: dict[str, float], arguments: argparse.Namespace
) -> None:
    """The best of runs in turns, of steps that agree."""
    lin, plain = linearized(p), tangents_of(p.encoder)
    steps: dict[str, Callable[[], Step]] = {
        "taujp": lambda: dual_step(p, lin),
        "loop": lambda: published_loop(p),
        "batched": lambda: batched(p, plain),
    }
    if not arguments.skip_compiled:
        fast = compiled(p.encoder)
        steps["compiled"] = lambda: batched(p, fast)
    expected = steps["loop"]()
    for name, step in steps.items():
        check(step(), expected, name)
    works = {**steps, "product": product()}
    best = interleaved(works, repeats=arguments.repeats, warmups=0)
    record.raw[what] = best
    for name, says in PEERS.items():
        if name in best:
            record.add(
                f"{what}: faster than {says}", best[name] / best["taujp"], "x", targets.get(name)
            )
    rate = flops_of_product() / best["product"]
    share = arithmetic(p) / best["taujp"] / rate
    record.add(f"{what}: share of this machine's sgemm, {rate / 1e9:.0f} GFLOP/s", share, "")
    record.add(f"{what}: taujp", best["taujp"], "s")


PEERS = {
    "loop": "the published loop",
    "batched": "one batched jvp",
    "compiled": "one batched jvp, compiled",
}


def product() -> Callable[[], object]:
    """Ten large matrix products: what the machine can do."""
    rows, width, out = PRODUCT
    x, weight = torch.randn(rows, width), torch.randn(out, width)

    def work() -> None:
        for _ in range(10):
            torch.nn.functional.linear(x, weight)

    return work


def flops_of_product() -> float:
    rows, width, out = PRODUCT
    return 10 * 2.0 * rows * width * out


def check(step: Step, expected: Step, name: str, tolerance: float = 5e-6) -> None:
    """The answer first: loss, penalty, and the gradient of all weights together."""
    for what, ours, theirs in (
        ("loss", step.loss, expected.loss),
        ("penalty", step.penalty, expected.penalty),
        *((f"gradient of {n}", g, expected.grad_theta[n]) for n, g in step.grad_theta.items()),
    ):
        off = float((ours - theirs).norm() / theirs.norm())
        assert off <= tolerance, f"{name}: {what} is {off:.2g} off the published loop's"


if __name__ == "__main__":
    main()
