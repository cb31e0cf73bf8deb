"""The CUDA kernels' own code, on host threads: what can be tested of it without a GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parent / "csrc"


def test_cuda_blocks_write_the_bits_of_the_host(tmp_path):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to build tests/cuda_on_the_host.cpp with")
    sources = [HERE / "cuda_on_the_host.cpp", CSRC / "tangent/level_scalar.cpp"]
    options = ["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-pthread", f"-I{CSRC}"]
    program = tmp_path / "cuda_on_the_host"
    subprocess.run([compiler, *options, *sources, "-o", program], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("the same bits") == 16
    assert "DIFFERENT" not in ran.stdout
