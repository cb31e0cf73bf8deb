"""Plans of models and shard counts that this machine could not hold: headers are all they read."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import taujp
from sparse_llama import LLAMA_70B, save_sparse
from taujp.checkpoint import open_checkpoint
from taujp.merge.dry_run import dry_run
from taujp.merge.errors import MergeError
from taujp.merge.open_files import allow_open_files
from taujp.merge.prepare import prepare

NUMBERS = 70_553_706_496


@pytest.fixture(scope="module")
def giants(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("giants")
    for name in ("base", "a", "b"):
        save_sparse(folder / name, LLAMA_70B, 500_000_000)
    return folder


@pytest.mark.parametrize("method", ["linear", "ties", "model_stock"])
def test_seventy_billion_parameters_are_planned_from_headers(giants: Path, method: str) -> None:
    base = None if method == "linear" else giants / "base"
    merge = prepare([giants / "a", giants / "b"], [1, 1], base, method=method)
    estimate = dry_run(merge, giants / "out", shard_size=5 * 10**9)
    assert estimate.merged_tensors == len(LLAMA_70B) == 723
    assert estimate.bytes_read == 2 * NUMBERS * (2 if base is None else 3)
    assert 0 < estimate.bytes_written - 2 * NUMBERS < 2**20  # the headers
    assert len(open_checkpoint(giants / "a").files) > 300
    assert not (giants / "out").exists()


def many_shards(folder: Path, tensors: int) -> None:
    for seed in range(3):
        state = {f"layers.{i}.weight": torch.full((4,), float(i + seed)) for i in range(tensors)}
        save_file(state, folder / f"{seed}.safetensors")
        path = folder / f"{seed}.safetensors"
        taujp.merge_many([path], [1], out=folder / str(seed), shard_size=16)


def merge_under(limit: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = "-m taujp merge --base 0 --ckpt 1=1 --ckpt 2=1 -o out"
    command = f"ulimit {limit} 128 && {sys.executable} {words}"
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )


def test_more_shards_than_a_process_may_have_open(tmp_path: Path) -> None:
    many_shards(tmp_path, 150)
    refused = merge_under("-n", tmp_path)
    assert refused.returncode == 1
    assert "its inputs and outputs are 600 files, and this process may open 128" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = merge_under("-Sn", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == 150
    found = open_checkpoint(tmp_path / "out")
    expected = taujp.merge_many([tmp_path / "1", tmp_path / "2"], [1, 1], tmp_path / "0")
    assert found.entries.keys() == expected.keys()


def test_the_limit_is_left_where_it_suffices() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_open_files(10)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
    if before[1] != resource.RLIM_INFINITY:
        with pytest.raises(MergeError, match="may open"):
            allow_open_files(before[1])
