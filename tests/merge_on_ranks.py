"""Run by torchrun: the merges of test_merge_ranks.py, each by all ranks together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import taujp

MERGES: dict[str, dict[str, Any]] = {
    "linear": {"coefs": [0.5, 0.2, 0.3], "method": "task_arithmetic"},
    "sweep": {"coefs": [[0.5, 0.2, 0.3], [1, 1, 1]], "method": "dare_ties", "density": 0.3},
    "over_model": {"coefs": [1, 1, 1], "method": "ties", "density": 0.2, "trim": "model"},
    "in_torch": {"coefs": [1, 1, 1], "method": "model_stock"},
    "one_file": {"coefs": [1, 1, 1], "method": "ties", "shard_size": 10**9},
}


def merge(folder: Path, out: Path, name: str, *, ranks: bool = False) -> None:
    """One of them, of the checkpoints in `folder`, in shards of 5,000 bytes."""
    base, *ckpts = sorted(folder.iterdir())
    options = {"shard_size": 5000, **MERGES[name]}
    taujp.merge_many(ckpts, base=base, out=out / name, ranks=ranks, threads=1, **options)


if __name__ == "__main__":
    for one in MERGES:
        merge(Path(sys.argv[1]), Path(sys.argv[2]), one, ranks=True)
