"""Ranks of a torchrun job share the files of an output, and write the bytes of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
from merge_on_ranks import MERGES, merge
from taujp.checkpoint import open_checkpoint
from taujp.merge.assembly import alone
from taujp.merge.errors import MergeError
from taujp.merge.file_plan import FilePlan, plan_files
from taujp.merge.output_layout import lay_out
from taujp.merge.prepare import prepare
from taujp.merge.team import ALONE, Team, share, torchrun_team

SCRIPT = Path(__file__).parent / "merge_on_ranks.py"
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def launch(ranks: int, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAUNCHER, str(ranks), *command], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A base and three fine-tunes, folders with a config."""
    folder = tmp_path_factory.mktemp("inputs")
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        state = {
            f"layers.{i}.{part}": torch.randn(shape, generator=generator).bfloat16()
            for i in range(6)
            for part, shape in {"weight": (40, 50), "bias": (50,)}.items()
        }
        (folder / str(seed)).mkdir()
        save_file({**state, "steps": torch.tensor([5])}, folder / str(seed) / "model.safetensors")
        (folder / str(seed) / "config.json").write_text("{}")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_three_ranks_write_the_bytes_of_one_process(inputs: Path, tmp_path: Path) -> None:
    together, by_one = tmp_path / "together", tmp_path / "alone"
    together.mkdir()
    by_one.mkdir()
    done = launch(3, str(SCRIPT), str(inputs), str(together))
    assert done.returncode == 0, done.stderr
    for name in MERGES:
        merge(inputs, by_one, name)
    assert contents(together) == contents(by_one)
    assert not list(together.glob(".*"))


def test_the_command_on_two_ranks(inputs: Path, tmp_path: Path) -> None:
    base, *ckpts = (str(path) for path in sorted(inputs.iterdir()))
    flags = [f"--ckpt={path}=0.4" for path in ckpts]
    words = ["merge", *flags, "--base", base, "--method", "ties", "--out-shard-size", "5kB"]
    done = launch(2, "-m", "taujp", *words, "-o", str(tmp_path / "together"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "together")]
    subprocess.run(
        [sys.executable, "-m", "taujp", *words, "-o", str(tmp_path / "alone")], check=True
    )
    assert contents(tmp_path / "together") == contents(tmp_path / "alone")


def test_one_process_goes_on_from_what_ranks_left(inputs: Path, tmp_path: Path) -> None:
    """A rank that dies leaves its journal; the others' tensors are not merged again."""
    broken = tmp_path / "3"
    broken.mkdir()
    state = load_file(inputs / "3" / "model.safetensors")
    state["layers.5.weight"][0, 0] = float("nan")
    save_file(state, broken / "model.safetensors")
    paths = [str(inputs / "1"), str(broken)]
    flags = [f"--ckpt={path}=1" for path in paths]
    words = ["merge", *flags, "--base", str(inputs / "0"), "--out-shard-size", "5kB"]
    done = launch(2, "-m", "taujp", *words, "-o", str(tmp_path / "out"))
    assert done.returncode != 0
    assert "NaN" in done.stderr
    assert not (tmp_path / "out").exists()
    kept = (tmp_path / ".out.taujp-partial").glob("journal.*")
    lines = [line for path in kept for line in path.read_text().splitlines()[1:]]
    assert lines
    merged = taujp.merge_many(
        paths, [1, 1], inputs / "0", out=tmp_path / "out", shard_size=5000, nonfinite="allow"
    )
    assert len(list(Path(merged).glob("*.safetensors"))) == 6


def planned(inputs: Path, **options) -> FilePlan:
    base, *ckpts = sorted(inputs.iterdir())
    assembly = alone(prepare(ckpts, [1, 1, 1], base, **options))
    return plan_files(assembly, lay_out(assembly, inputs / "out", shard_size=5000))


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_shares_are_disjoint_whole_and_even(inputs: Path, size: int) -> None:
    plan = planned(inputs)
    shares = [share(plan, Team(rank, size, ALONE.wait)) for rank in range(size)]
    assert sorted(n for own in shares for n in own) == list(range(len(plan.works)))
    files = [{place[0] for n in own for place in plan.works[n].targets} for own in shares]
    assert sum(map(len, files)) == len(plan.outputs) == 6
    assert max(map(len, files)) - min(map(len, files)) <= (size == 20) + (6 % size > 0)


def test_what_must_be_ranked_together_is_one_ranks(inputs: Path) -> None:
    plan = planned(inputs, method="ties", trim="model")
    shares = [share(plan, Team(rank, 3, ALONE.wait)) for rank in range(3)]
    merged = {n for n, work in enumerate(plan.works) if not work.copy}
    assert sorted(len(own & merged) for own in shares) == [0, 0, len(merged)]


def test_a_rank_without_its_job(monkeypatch: pytest.MonkeyPatch, inputs: Path) -> None:
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(MergeError, match="start the ranks with torchrun"):
        torchrun_team()


def test_tensors_in_memory_are_refused(monkeypatch: pytest.MonkeyPatch, inputs: Path) -> None:
    from taujp.merge import to_files

    monkeypatch.setattr(to_files, "torchrun_team", lambda: Team(0, 2, ALONE.wait))
    state = {"w": torch.ones(3)}
    with pytest.raises(MergeError, match="1 inputs are tensors in memory, which 2 ranks"):
        taujp.merge_many([state], [1], out=inputs.parent / "o", ranks=True)
    assert open_checkpoint(state).entries
