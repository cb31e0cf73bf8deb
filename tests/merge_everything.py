"""Runs every fold with every sparsifier, rescale, rounding and dtype; prints one digest a case.

A program of its own because the SIMD level is chosen once a process: TAUJP_SIMD=... python this.
"""

from __future__ import annotations

import hashlib
import itertools
import sys

import torch

import taujp_ext

SHAPES = [(7,), (1000,), (3, 700), (0,), (), (4500,)]
FORMATS = [
    (torch.float32, torch.float32, torch.float32),
    (torch.bfloat16, torch.bfloat16, torch.bfloat16),
    (torch.float16, torch.float16, torch.float16),
    (torch.float32, torch.bfloat16, torch.float16),
]
FOLDS = ["linear", "elect_weighted", "elect_unweighted", "largest"]
SIEVES = [("none", "none")] + [
    (sieve, rescale) for sieve in ("magnitude", "random") for rescale in ("none", "density", "l1")
]
N = 3


def inputs(formats: tuple[torch.dtype, ...]) -> tuple[list, list]:
    """Bases [P] and sources [P * N], the sources' dtypes in turn."""
    generator = torch.Generator().manual_seed(0)
    bases, sources = [], []
    for shape in SHAPES:
        base = torch.randn(shape, generator=generator)
        bases.append(base.to(formats[0]))
        for dtype in formats:
            sources.append((base + 0.01 * torch.randn(shape, generator=generator)).to(dtype))
    return bases, sources


def digest(results: list[torch.Tensor]) -> str:
    """Of the bits of all results."""
    parts = [r.cpu().reshape(-1).view(torch.uint8).numpy().tobytes() for r in results]
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def cases(device: torch.device, threads: int = 2):
    """Every combination as (its name, the digest of its results)."""
    for formats in FORMATS:
        bases, sources = ([t.to(device) for t in ts] for ts in inputs(formats))
        ways = [(False, 1, True), (True, 5, True), (True, 1, False)]
        grid = itertools.product(FOLDS, SIEVES, ["exact", "F32", "F16", "BF16"], ways)
        for fold, (sieve, rescale), rounding, (normalize, k, has_base) in grid:
            generator = torch.Generator().manual_seed(k)
            results = [
                torch.full(shape, 7.0, dtype=formats[2], device=device)
                for shape in SHAPES
                for _ in range(k)
            ]
            skip = [0.01] * N if k > 1 and sieve == "magnitude" else []
            torch.ops.taujp.merge_(
                sources,
                bases if has_base else [],
                results,
                torch.randn(1, k, N, generator=generator),
                torch.zeros(len(SHAPES), dtype=torch.int64),
                torch.arange(len(SHAPES) * N, dtype=torch.int64) * 7919**4,
                [0.7] * k,
                [0.3, 0.5, 1.0],
                skip,
                fold,
                sieve,
                rescale,
                rounding,
                normalize,
                True,
                False,
                fold == "largest" and normalize,
                threads,
            )
            yield (
                f"{formats} {fold} {sieve} {rescale} {rounding} {normalize} {k} {has_base}",
                digest(results),
            )
        coefs = torch.randn(1, 4, N, generator=torch.Generator().manual_seed(1))
        products = torch.ops.taujp.products(sources, bases, coefs, False, 4, threads)
        yield f"{formats} products", digest([products])


def main() -> None:
    taujp_ext.load()
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    print(f"level: {torch.ops.taujp.simd_level()}")
    for name, value in cases(device, threads):
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
