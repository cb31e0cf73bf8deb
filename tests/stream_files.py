"""Small checkpoints on disk for the tests of the file engine."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import save_file

import taujp

State = dict[str, torch.Tensor]


def state(seed: int, dtype: torch.dtype = torch.float32) -> State:
    """A large tensor, odd sizes, a scalar, an empty tensor, an integer buffer."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    return {
        "large.weight": numbers(1_000_003),
        "layer.weight": numbers(37, 129),
        "layer.bias": numbers(129),
        "scale": numbers(),
        "empty": numbers(0, 4),
        "position_ids": torch.arange(77),
    }


def save(folder: Path, count: int, dtype: torch.dtype = torch.float32) -> list[Path]:
    """A base and `count - 1` checkpoints."""
    paths = [folder / f"{seed}.safetensors" for seed in range(count)]
    for seed, path in enumerate(paths):
        save_file(state(seed, dtype), path)
    return paths


def merge(paths: list[Path], out: Path, **options: object) -> str:
    """Every checkpoint at 0.5 on the base, the first path."""
    base, *ckpts = paths
    return taujp.merge_many(ckpts, [0.5] * len(ckpts), base, out=out, **options)


def left_in(folder: Path) -> set[str]:
    """What a failed merge left: names in the folder other than the inputs."""
    return {name for name in os.listdir(folder) if not name[0].isdigit()}
