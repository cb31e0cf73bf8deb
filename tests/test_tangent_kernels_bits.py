"""The tangents' kernels give the same bits at every SIMD level, on every thread count and on CUDA.

The level "scalar" is the code that a CUDA thread runs, compiled for the host.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from conftest import DTYPES
from tangent_inputs import GELUS, SHAPES, heads_of, mask_of, random, statistics
from taujp.tangent import kernels
from tolerance import assert_same_bits


def results(device: torch.device | str = "cpu") -> list[Tensor]:
    """What every kernel computes in every dtype: what must not depend on where."""
    torch.manual_seed(1)
    found = []
    for dtype in DTYPES.values():
        x, dx = (random(7, 300, dtype=dtype, device=device) for _ in range(2))
        scales = random(3, 300, dtype=dtype, device=device)
        mean, rstd = (one.to(device) for one in statistics(x.cpu()))
        found.append(kernels.layer_norm_tangent(x, dx, mean, rstd, *scales))
        found += [kernels.gelu_tangent(4 * x, dx, approximate) for approximate in GELUS]
        norm = kernels.row_norm(x)
        found += [norm, kernels.row_norm_grad(x, norm, norm), *kernels.deltas([x], [dx])]
        for shape in SHAPES[1:]:
            heads, dheads = (heads_of(shape, dtype, device) for _ in range(2))
            mask = mask_of("full", shape, heads[0].cpu()).to(device)
            found.append(kernels.attention_tangent(*heads, *dheads, mask, causal=True))
    return found


def digest() -> str:
    """A hash over the results: what a subprocess prints."""
    total = hashlib.sha256()
    for tensor in results():
        total.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def test_the_same_bits_at_every_level():
    found = {}
    for level in ("scalar", "portable", "avx2", "avx512"):
        environment = {**os.environ, "TAUJP_SIMD": level, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", "import test_tangent_kernels_bits as t; print(t.digest())"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        if ran.returncode == 0:
            found[level] = ran.stdout.split()[-1]
        else:
            assert f"TAUJP_SIMD is '{level}'" in ran.stderr, ran.stderr[-2000:]
    assert {"scalar", "portable"} <= set(found)
    assert len(set(found.values())) == 1, found


def test_the_same_bits_for_any_number_of_threads():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = digest()
        torch.set_num_threads(3)
        assert digest() == alone
    finally:
        torch.set_num_threads(before)


@pytest.mark.gpu
def test_the_same_bits_on_cuda(gpu):
    for there, here in zip(results(gpu), results(), strict=True):
        assert_same_bits(there.cpu(), here, "CUDA")
