"""The same bits at every SIMD level, for any number of threads, and on CUDA.

The level "scalar" is the code that a CUDA thread runs, compiled for the host.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "merge_everything.py"


@cache
def digests(level: str, device: str = "cpu", threads: int = 1) -> tuple[str, ...]:
    """The lines of merge_everything.py, run at that level."""
    env = {**os.environ, "TAUJP_SIMD": level}
    command = [sys.executable, str(SCRIPT), device, str(threads)]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if "expected" in run.stderr or "offer" in run.stderr:
        pytest.skip(f"this processor has no {level}: {run.stderr.strip().splitlines()[-1]}")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == f"level: {level}"
    return tuple(lines[1:])


def assert_same(found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    different = [a for a, b in zip(found, expected, strict=True) if a != b]
    assert not different, f"{len(different)} of {len(expected)} cases differ, e.g. {different[:3]}"
    assert len({line.rsplit(" ", 1)[1] for line in expected}) > len(expected) // 4


@pytest.mark.parametrize("level", ["avx512", "avx2", "portable"])
def test_simd_levels_write_the_same_bits(level):
    assert_same(digests(level, threads=2), digests("scalar"))


def test_threads_do_not_change_a_bit():
    assert_same(digests("scalar", threads=5), digests("scalar"))
    assert_same(digests("portable", threads=3), digests("scalar"))


@pytest.mark.gpu
def test_cuda_writes_the_same_bits(gpu):
    assert_same(digests("scalar", str(gpu)), digests("scalar"))


def test_unknown_level_says_what_there_is():
    env = {**os.environ, "TAUJP_SIMD": "mmx"}
    run = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "TAUJP_SIMD is 'mmx'" in run.stderr
