"""Every registered method in memory, for pytest-benchmark: compare a change with what was before.

pytest benchmarks/bench_methods.py --benchmark-autosave
pytest benchmarks/bench_methods.py --benchmark-compare
"""

from __future__ import annotations

import pytest
import torch

import taujp

N, SHAPE = 6, (2048, 1024)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@pytest.fixture(scope="module", params=list(DTYPES))
def states(request):
    """A base and six fine-tunes of four matrices, 8.4 M parameters."""
    dtype = DTYPES[request.param]
    generator = torch.Generator().manual_seed(0)
    base = {f"blocks.{i}.w": torch.randn(SHAPE, generator=generator).to(dtype) for i in range(4)}
    tuned = [
        {
            k: (v.float() + 0.02 * torch.randn(SHAPE, generator=generator)).to(dtype)
            for k, v in base.items()
        }
        for _ in range(N)
    ]
    return base, tuned


@pytest.mark.parametrize("method", list(taujp.methods()))
def test_method(method, states, benchmark):
    base, tuned = states
    chosen = taujp.methods()[method]
    tuned = tuned[: chosen.most]
    theta0 = base if chosen.needs_base else None
    nbytes = (len(tuned) + 1 + (theta0 is not None)) * sum(t.nbytes for t in base.values())
    coefs = [1 / N if chosen.weighted else 1.0] * len(tuned)
    benchmark(taujp.merge_many, tuned, coefs, theta0, method=method)
    if benchmark.stats:  # none under --benchmark-disable
        benchmark.extra_info["gigabytes_per_second"] = nbytes / benchmark.stats["min"] / 1e9
