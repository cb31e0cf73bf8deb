"""What a plan says of memory, beside what the merge then takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adapters import on_modules, write_adapter

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/clear_refs"), reason="reads Linux's /proc"
)
SHAPE, CHECKPOINTS = (1000, 1000), 3
# Measured: 0.98 to 1.35; what an allocator keeps differs between machines.
LEAST, MOST = 0.8, 1.7
# The same merge of small matrices first, so that libraries are loaded and have their rooms.
PROGRAM = """
import ctypes, json, sys
from pathlib import Path
import taujp
from taujp.merge.dry_run import dry_run
from taujp.merge.prepare import prepare

folder, method, options = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])

def resident(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))

def inputs(size):
    base, *ckpts = sorted((folder / size).iterdir())
    return ckpts, [1.0] * len(ckpts), base

taujp.merge_many(*inputs("small"), method=method, out=folder / "first", threads=2, **options)
estimate = dry_run(prepare(*inputs("large"), method=method, **options), folder / "out", threads=2)
assert estimate.in_torch
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
before = resident("VmRSS")
taujp.merge_many(*inputs("large"), method=method, out=folder / "out", threads=2, **options)
print(estimate.memory_bytes, resident("VmHWM") - before)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    generator = torch.Generator().manual_seed(0)
    for size, shape in (("small", (200, 200)), ("large", SHAPE)):
        (folder / size).mkdir()
        for i in range(1 + CHECKPOINTS):
            state = {f"{k}.weight": torch.randn(shape, generator=generator) for k in range(4)}
            save_file(state, folder / size / f"{i}.safetensors")
    return folder


@pytest.fixture(scope="module")
def adapters(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    generator = torch.Generator().manual_seed(0)
    for size, shape in (("small", (200, 200)), ("large", SHAPE)):
        (folder / size).mkdir()
        modules = {f"model.layers.{k}.self_attn.q_proj": shape for k in range(8)}
        state = {f"{m}.weight": torch.randn(shape, generator=generator) for m in modules}
        save_file(state, folder / size / "0.safetensors")
        for i in range(1, 1 + CHECKPOINTS):
            write_adapter(folder / size / f"{i}", on_modules(modules, seed=i))
    return folder


def estimated_and_taken(inputs: Path, folder: Path, method: str, options: str) -> tuple[int, int]:
    for size in ("small", "large"):
        (folder / size).symlink_to(inputs / size)
    command = [sys.executable, "-c", PROGRAM, str(folder), method, options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    estimate, taken = map(int, done.stdout.split())
    return estimate, taken


@pytest.mark.parametrize(
    ("method", "options"),
    [("iso_c", "{}"), ("model_stock", '{"by": "row"}'), ("emr", "{}"), ("pcb", "{}")],
)
def test_a_plan_tells_the_memory_of_what_torch_works_out(models, tmp_path, method, options) -> None:
    estimate, taken = estimated_and_taken(models, tmp_path, method, options)
    assert LEAST * taken < estimate < MOST * taken, (estimate, taken)


@pytest.mark.parametrize("method", ["task_arithmetic", "model_stock", "ties"])
def test_a_plan_tells_the_memory_of_adapters(adapters, tmp_path, method) -> None:
    estimate, taken = estimated_and_taken(adapters, tmp_path, method, "{}")
    assert LEAST * taken < estimate < MOST * taken, (estimate, taken)
