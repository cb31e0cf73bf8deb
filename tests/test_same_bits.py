"""The same bits for any number of threads, SIMD level, device, order, from memory or file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
from reference import METHODS
from states import on, random_states
from tolerance import assert_same_bits

COEFS = [0.4, 0.3, 0.25]
OPTIONS = {"dare_linear": {"rescale": "l1"}, "ties": {"lambda_": 0.7}}
LEVELS = ("scalar", "portable", "avx2", "avx512")


def merge(method, base, ckpts, **options):
    """One merge of the method, with options that meet its statistics."""
    theta0 = None if method == "linear" else base
    return taujp.merge_many(
        ckpts, COEFS, theta0, method=method, **OPTIONS.get(method, {}), **options
    )


def digest() -> str:
    """A hash over every method's result: what a subprocess prints."""
    total = hashlib.sha256()
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        base, ckpts = random_states(3, dtype)
        for method in METHODS:
            for name, tensor in sorted(merge(method, base, ckpts).items()):
                total.update(
                    name.encode()
                    + tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
                )
    return total.hexdigest()


@pytest.fixture
def threads():
    """torch.set_num_threads, undone afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_threads(threads):
    threads(1)
    alone = digest()
    for count in (2, 3, 7):
        threads(count)
        assert digest() == alone, f"{count} threads"


def test_simd_levels():
    found = {}
    for level in LEVELS:
        environment = {**os.environ, "TAUJP_SIMD": level, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", "import test_same_bits as t; print(t.digest())"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        if ran.returncode == 0:
            found[level] = ran.stdout.split()[-1]
        else:
            assert level in ran.stderr, ran.stderr[
                -2000:
            ]  # this processor has no such level: says so
    assert {"scalar", "portable"} <= set(found)
    assert len(set(found.values())) == 1, found


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_cpu_and_cuda(method, gpu, dtype):
    base, ckpts = random_states(3, dtype)
    here = merge(method, base, ckpts)
    there = merge(method, on(gpu, base), [on(gpu, c) for c in ckpts])
    for name, tensor in here.items():
        assert_same_bits(there[name], tensor, f"{method} {name} on {gpu}")


@pytest.mark.parametrize("method", METHODS)
def test_order_of_parameters(method, dtype):
    base, ckpts = random_states(3, dtype)
    forward = merge(method, base, ckpts)
    backward = merge(
        method, dict(reversed(base.items())), [dict(reversed(c.items())) for c in ckpts]
    )
    for name, tensor in forward.items():
        assert_same_bits(backward[name], tensor, f"{method} {name}")


@pytest.mark.parametrize("method", METHODS)
def test_files_and_memory(method, dtype, tmp_path):
    base, ckpts = random_states(3, dtype)
    paths = [tmp_path / f"{i}.safetensors" for i in range(4)]
    for path, state in zip(paths, [base, *ckpts], strict=True):
        save_file(state, path)
    expected = merge(method, base, ckpts)
    out = merge(method, paths[0], paths[1:], out=tmp_path / "merged.safetensors")
    written = load_file(out)
    for name, tensor in expected.items():
        assert_same_bits(written[name], tensor, f"{method} {name}")


def test_noncontiguous_tensors():
    base, ckpts = random_states(3)
    strided = [
        {name: t.mT.contiguous().mT if t.ndim == 2 else t for name, t in c.items()} for c in ckpts
    ]
    for name, tensor in merge("ties", base, ckpts).items():
        assert_same_bits(merge("ties", base, strided)[name], tensor, name)
