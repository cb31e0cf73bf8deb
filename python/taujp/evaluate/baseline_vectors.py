"""Checkpoints that baselines of negation subtract: a random vector, and one turned round."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from taujp.checkpoint import Checkpoint, CheckpointError, open_checkpoint, tensor_of
from taujp.train.checkpoint import save_finetuned

State = dict[str, Tensor]


def random_vector(
    base: Any, finetuned: Any, *, seed: int = 0, out: str | Path | None = None
) -> State:
    """theta0 + r: does negation need the task's vector, or would any of its size do?

    r is normal noise, scaled for every parameter to the norm of tau = finetuned - base, so it is 0
    where nothing was trained. It depends on the seed and a parameter's name alone. Use it as the
    target's checkpoint in `negation(..., vector="random")`.

    Args:
      base, finetuned: whatever `open_checkpoint` takes; base has at least finetuned's tensors.
      out: a safetensors file to write as well; it keeps finetuned's mode.

    Returns a state dict of finetuned's names, shapes and dtypes.
    Source: Ilharco et al. 2023, "Editing models with task arithmetic", section 3.
    """

    def noise(name: str, tau: Tensor) -> Tensor:
        drawn = torch.randn(tau.shape, generator=_generator(seed, name), dtype=torch.float64)
        length = torch.linalg.vector_norm(drawn)
        return drawn * (torch.linalg.vector_norm(tau) / length) if length > 0 else tau

    return _moved(base, finetuned, noise, out, {"vector": "random", "vector_seed": seed})


def opposite_vector(base: Any, finetuned: Any, *, out: str | Path | None = None) -> State:
    """theta0 - tau: the checkpoint of gradient ascent, turned so that subtracting it applies it.

    Ascent leaves theta_a, which has forgotten the task; `negation` subtracts task vectors. With
    2 theta0 - theta_a as the target's checkpoint, coefficient 1 gives theta_a back: use it in
    `negation(..., vector="gradient ascent")`. Arguments and result as in `random_vector`.
    """

    def turned(_: str, tau: Tensor) -> Tensor:
        return -tau

    return _moved(base, finetuned, turned, out, {"vector": "opposite"})


def _moved(
    base: Any,
    finetuned: Any,
    vector: Callable[[str, Tensor], Tensor],
    out: str | Path | None,
    told: dict[str, Any],
) -> State:
    """theta0 + vector(name, tau) of every floating tensor, formed in float64."""
    start, end = open_checkpoint(base), open_checkpoint(finetuned)
    _check(start, end)
    state = {}
    for name in end.entries:
        theta = tensor_of(end, name).cpu()
        if theta.is_floating_point():
            theta0 = tensor_of(start, name).cpu().double()
            moved = theta0 + vector(name, theta.double() - theta0)
            state[name] = moved.to(theta.dtype)
        else:
            state[name] = theta.clone()
    if out is not None:
        settings = json.loads(end.metadata.get("taujp", "{}"))
        save_finetuned(state, Path(out), {**settings, **told})
    return state


def _generator(seed: int, name: str) -> torch.Generator:
    """Of its own for every parameter: neither order nor other parameters matter."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _check(base: Checkpoint, finetuned: Checkpoint) -> None:
    wrong = [
        f"'{name}' {tuple(entry.shape)}"
        for name, entry in finetuned.entries.items()
        if name not in base.entries or tuple(base.entries[name].shape) != tuple(entry.shape)
    ]
    if wrong:
        raise CheckpointError(
            f"baseline vector: {base.label} lacks {', '.join(wrong[:3])} of {finetuned.label}; "
            f"expected the weights that it was fine-tuned from ({len(wrong)} differ)"
        )
