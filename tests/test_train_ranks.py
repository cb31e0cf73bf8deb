"""Two ranks of a torchrun job compute what one process computes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from train_on_ranks import RUNS, train

SCRIPT = Path(__file__).parent / "train_on_ranks.py"


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> Path:
    """What two processes wrote."""
    folder = tmp_path_factory.mktemp("ranks")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*launcher, "--nproc-per-node", "2", str(SCRIPT), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind", RUNS)
def test_two_ranks_take_the_steps_of_one_process(ranks, tmp_path, kind):
    alone = train(kind, tmp_path)
    lines = [json.loads(line) for line in (ranks / f"{kind}.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == pytest.approx(alone.losses, rel=1e-12)
    together = load_file(ranks / f"{kind}.safetensors")
    assert together.keys() == alone.state.keys()
    for name, value in alone.state.items():
        torch.testing.assert_close(together[name], value, rtol=0, atol=1e-9, msg=name)
    own = [json.loads(line) for line in (tmp_path / f"{kind}.jsonl").read_text().splitlines()]
    for line, alone_line in zip(lines, own, strict=True):
        for name in line.keys() - {"seconds", "images_per_second"}:
            assert line[name] == pytest.approx(alone_line[name], rel=1e-9), name


def test_ranks_leave_one_checkpoint_and_no_state(ranks):
    written = {path.name for path in ranks.iterdir()}
    assert written == {f"{kind}.{end}" for kind in RUNS for end in ("safetensors", "jsonl")}
