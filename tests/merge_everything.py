"""Runs every fold with every sparsifier, rescale, rounding and dtype; prints one digest a case.

A program of its own because the SIMD level is chosen once a process: TAUJP_SIMD=... python this.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch

import taujp_ext
from taujp.merge.recipe import Recipe

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
# Folds, sieves and weightings of single methods: with each other where that is a method's, or near.
OWN_FOLDS = [(f, "none", "none", "given") for f in ("near", "own_or_mean", "consensus")]
OWN_FOLDS += [("own_or_mean", "none", "none", "changes"), ("consensus", "random", "l1", "given")]
OWN_SIEVES = [("linear", "rank", rescale, "given") for rescale in ("none", "density", "l1")]
OWN_SIEVES += [("elect_weighted", "rank", "density", "given"), ("largest", "rank", "l1", "given")]
OWN_SIEVES += [("elect_unweighted", sieve, "none", "squares") for sieve in ("none", "variance")]
OWN_SIEVES += [("linear", "variance", "none", "given"), ("linear", "importance", "none", "given")]
WAYS = [(False, 1, True), (True, 5, True), (True, 1, False)]  # normalize, K, with a base
N = 3


@dataclass(frozen=True)
class Case:
    """One combination; `normalize`, `k` and `has_base` as in WAYS."""

    fold: str
    sieve: str
    rescale: str
    weighting: str
    rounding: str
    normalize: bool
    k: int
    has_base: bool

    @property
    def skip(self) -> list[float]:
        """Shares of the largest that are left out, where that means something."""
        return [0.01] * N if self.k > 1 and self.sieve == "magnitude" else []

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """SHAPES; ranks cost "scalar" a row's length squared: few cases have the longest."""
        whole = self.sieve != "rank" or (self.rounding == "exact" and self.k == 1 and self.has_base)
        return SHAPES if whole else SHAPES[:-1]

    def rows(self) -> list[int]:
        """Elements to a row of each of its shapes."""
        recipe = Recipe(sparsifier=self.sieve)
        return [recipe.row(shape) for shape in self.shapes]


def grid() -> Iterator[Case]:
    """Everything that shares its code with everything else, then what single methods have."""
    roundings = ["exact", "F32", "F16", "BF16"]
    for fold, (sieve, rescale), rounding, way in itertools.product(FOLDS, SIEVES, roundings, WAYS):
        yield Case(fold, sieve, rescale, "given", rounding, *way)
    own = itertools.product(OWN_FOLDS + OWN_SIEVES, ["exact", "BF16"], WAYS)
    for parts, rounding, way in own:
        if parts[1] != "importance" or way[2]:
            yield Case(*parts, rounding, *way)


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


def merge(case: Case, sources: list, bases: list, results: list, threads: int) -> None:
    """The case's call of the operation."""
    generator = torch.Generator().manual_seed(case.k)
    p = len(case.shapes)
    torch.ops.taujp.merge_(
        sources[: p * N],
        bases[:p] if case.has_base else [],
        results,
        torch.randn(1, case.k, N, generator=generator),
        torch.zeros(p, dtype=torch.int64),
        torch.arange(p * N, dtype=torch.int64) * 7919**4,
        [0.7] * case.k,
        [0.3, 0.5, 1.0],
        case.skip,
        case.fold,
        case.sieve,
        case.rescale,
        case.rounding,
        case.normalize,
        True,
        False,
        case.fold == "largest" and case.normalize and case.sieve in ("none", "magnitude"),
        threads,
        [0.15, 0.3, 0.0],
        [0.005, 2.0, 1.5],
        case.weighting,
        case.rows(),
    )


def cases(device: torch.device, threads: int = 2):
    """Every combination as (its name, the digest of its results)."""
    for formats in FORMATS:
        bases, sources = ([t.to(device) for t in ts] for ts in inputs(formats))
        for case in grid():
            results = [
                torch.full(shape, 7.0, dtype=formats[2], device=device)
                for shape in case.shapes
                for _ in range(case.k)
            ]
            merge(case, sources, bases, results, threads)
            yield f"{formats} {case}", digest(results)
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
