"""Whether two merged models on disk are the same answer: ours and mergekit's."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from llama import weights_of
from safetensors import safe_open


def compare(method: str, base: Path, ours: Path, theirs: Path, allowed: float | None) -> None:
    """The answers agree but for bf16's steps, votes, thresholds; or in norm, where coins fall.

    allowed: the share of a tensor's elements that may differ; None where both draw at random.
    """
    mine, other, start = (opened(folder) for folder in (ours, theirs, base))
    assert set(mine) == set(other), sorted(set(mine) ^ set(other))[:5]
    for name in other:
        a, b = mine[name](), other[name]()
        if allowed is None:
            compare_norms(f"{method} {name}", start[name]().float(), a, b)
            continue
        off = ~((a.float() - b.float()).abs() <= 2**-7 * b.float().abs() + 1e-4)
        share = float(off.float().mean())
        assert share <= allowed, f"{method} {name}: {share:.2%} differ"


def compare_norms(what: str, base: Any, ours: Any, theirs: Any) -> None:
    """Of what two draws moved; a vector is too short to tell, and norms' weights hardly move."""
    if base.ndim < 2:
        return
    norms = [float((side.float() - base).abs().sum()) for side in (ours, theirs)]
    assert abs(norms[0] / norms[1] - 1) < 0.05, f"{what}: norms {norms}"


def opened(folder: Path) -> dict[str, Any]:
    """Name -> a function that reads that tensor, so that two models are never in memory whole."""
    tensors: dict[str, Any] = {}
    for path in weights_of(folder):
        file = safe_open(path, "pt")
        tensors |= {name: partial(file.get_tensor, name) for name in file.keys()}  # noqa: SIM118
    return tensors
