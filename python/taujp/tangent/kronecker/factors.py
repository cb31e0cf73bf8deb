"""Kronecker factors of a model's curvature on a task, one pair a weight; summed, saved, loaded.

For one weight let S be the gradient of <v, f(x)> by it, v ~ N(0, I). Then

    E ||J(x) dW||^2 = E <S, dW>^2 ~ <left dW right, dW> / trace,
    left = E[S S^T],  right = E[S^T S],  trace = E ||S||^2

which keeps both partial traces, so its mean over random dW is exact, and all of it is exact where
left and right are independent. Factors of several tasks are summed: so are the traces.

Measured on the demo's model (256 images of digits, 4 draws) for four linear fine-tunes: 0.86 to
0.92 of the sum over blocks of E ||J dW||^2; 0.58 to 0.69 with the usual factors of single tokens
(K-FAC expand), 0.13 to 0.21 with those of their means (reduce). What blocks do to each other is
not in it: E ||J tau||^2 itself was 2.5 to 5 times the sum over blocks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FORMAT = "kronecker factors"


@dataclass(frozen=True)
class Block:
    """The factors of rows first..last of a weight (as a matrix), its bias as one more column.

    left: [rows, rows]. right: [columns, columns], one more with a bias. A vector is a matrix of
    one column: its block is exact.
    """

    weight: str
    bias: str | None
    first: int
    last: int
    left: Tensor
    right: Tensor


@dataclass(frozen=True)
class Factors:
    """Blocks by key, and how they were gathered: model, tasks, images, draws, seed, normalised."""

    blocks: dict[str, Block]
    settings: dict[str, Any]

    @property
    def parameters(self) -> set[str]:
        """The names of the parameters that some block covers."""
        named = [(block.weight, block.bias) for block in self.blocks.values()]
        return {name for pair in named for name in pair if name is not None}

    def described(self) -> str:
        """One line that differs where the factors do."""
        trace = sum(float(block.left.double().trace()) for block in self.blocks.values())
        told = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{told}, {len(self.blocks)} blocks, trace {trace:.9g}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a safetensors file with the settings in its metadata."""
        from safetensors.torch import save_file

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{key}.{side}": getattr(block, side).cpu().contiguous()
            for key, block in self.blocks.items()
            for side in ("left", "right")
        }
        described = {
            key: [block.weight, block.bias, block.first, block.last]
            for key, block in self.blocks.items()
        }
        content = {"kind": FORMAT, "settings": self.settings, "blocks": described}
        partial = path.with_name(f".{path.name}.partial")
        save_file(tensors, partial, metadata={"taujp": json.dumps(content)})
        os.replace(partial, path)
        return path


def load_factors(path: str | os.PathLike[str]) -> Factors:
    """Factors that `save` wrote; ValueError for a file that holds something else."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        content = json.loads((file.metadata() or {}).get("taujp", "{}"))
        if content.get("kind") != FORMAT:
            raise ValueError(
                f"load_factors: '{path}' holds no factors; expected a file that "
                "`taujp factors` wrote"
            )
        blocks = {
            key: Block(
                weight,
                bias,
                first,
                last,
                file.get_tensor(f"{key}.left"),
                file.get_tensor(f"{key}.right"),
            )
            for key, (weight, bias, first, last) in content["blocks"].items()
        }
    return Factors(blocks, content["settings"])


def sum_factors(all_factors: Sequence[Factors]) -> Factors:
    """One set of factors for several tasks: the penalty's cost does not grow with their number.

    Raises ValueError where they are not of one model, or of features normalised and not.
    """
    if not all_factors:
        raise ValueError("sum_factors: no factors came; expected at least one")
    first, *others = all_factors
    blocks = dict(first.blocks)
    for other in others:
        _check_same(first, other)
        for key, block in other.blocks.items():
            mine = blocks[key]
            blocks[key] = replace(mine, left=mine.left + block.left, right=mine.right + block.right)
    tasks = [task for factors in all_factors for task in factors.settings["tasks"]]
    return Factors(blocks, {**first.settings, "tasks": tasks})


def _check_same(first: Factors, other: Factors) -> None:
    def shapes(factors: Factors) -> dict[str, Any]:
        return {
            key: (block.weight, block.bias, block.left.shape, block.right.shape)
            for key, block in factors.blocks.items()
        }

    mine, theirs = shapes(first), shapes(other)
    different = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
    if different:
        raise ValueError(
            f"sum_factors: the factors of {first.settings['tasks']} and {other.settings['tasks']} "
            f"differ in {different[:3]}; expected factors of one model; gather them again"
        )
    for name in ("model", "normalised"):
        if first.settings.get(name) != other.settings.get(name):
            raise ValueError(
                f"sum_factors: {name} is {first.settings.get(name)!r} for "
                f"{first.settings['tasks']} and {other.settings.get(name)!r} for "
                f"{other.settings['tasks']}; expected one; gather them again"
            )


def quadratic_factors(block: Block) -> tuple[Tensor, Tensor]:
    """(G, A) with <G dW A, dW> the block's estimate of E ||J dW||^2: left / trace, right."""
    trace = block.left.double().trace()
    scale = torch.where(trace > 0, 1 / trace, 0.0).to(block.left.dtype)
    return block.left * scale, block.right
