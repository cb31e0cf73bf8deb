"""Sums over the elements of one tensor of all models: products, signs, and what cancels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from taujp.checkpoint import Checkpoint, CheckpointError, tensor_of
from taujp.merge.gram import mirrored

AT_ONCE = 1 << 16  # elements of each model in fp32: a few of them stay in the processor's cache


@dataclass
class Elements:
    """Everything is a sum, so tensors add up: dots [N, N], base: ||theta0||^2, changed [N],
    several: elements that two or more change, opposed: those of them with both signs, moved:
    sum |tau_i| over models and elements, left: sum |sum_i tau_i|."""

    count: int
    dots: torch.Tensor
    base: float
    changed: torch.Tensor
    several: int
    opposed: int
    moved: float
    left: float

    @classmethod
    def none(cls, models: int) -> Elements:
        """The sums over no elements."""
        dots, changed = (torch.zeros(size, dtype=torch.float64) for size in ((models,) * 2, models))
        return cls(0, dots, 0.0, changed, 0, 0, 0.0, 0.0)

    def __iadd__(self, other: Elements) -> Elements:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


def elements_of(
    base: Checkpoint | None, checkpoints: Sequence[Checkpoint], name: str, threads: int
) -> Elements:
    """The sums of one tensor; it is read from the files as it is used, `AT_ONCE` at a time."""
    flat = [_flat(checkpoint, name) for checkpoint in checkpoints]
    theta0 = None if base is None else _flat(base, name)
    found = Elements.none(len(flat))
    found.count = flat[0].numel()
    found.dots = _products(flat, theta0, threads)
    found.base = 0.0 if theta0 is None else float(_products([theta0], None, threads)[0, 0])
    _check_finite(found, base, checkpoints, name)
    for first in range(0, found.count, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        tau = torch.stack([one[part].float() for one in flat])
        _add_signs(found, tau if theta0 is None else tau.sub_(theta0[part].float()))
    return found


def _flat(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    return tensor_of(checkpoint, name).detach().cpu().contiguous().view(-1)


def _products(flat: list[torch.Tensor], base: torch.Tensor | None, threads: int) -> torch.Tensor:
    """<tau_i, tau_j> in float64, in one pass over the tensors."""
    n = len(flat)
    rows = torch.eye(n).unsqueeze(0)
    bases = [] if base is None else [base]
    upper = torch.ops.taujp.products(flat, bases, rows, base is None, n, threads)
    return torch.tensor(mirrored(upper.tolist()), dtype=torch.float64)


def _add_signs(found: Elements, tau: torch.Tensor) -> None:
    up, down = (tau > 0).sum(0), (tau < 0).sum(0)
    found.changed += (tau != 0).sum(1)
    found.several += int((up + down > 1).sum())
    found.opposed += int(((up > 0) & (down > 0)).sum())
    found.moved += float(tau.abs().sum(dtype=torch.float64))
    found.left += float(tau.sum(0).abs_().sum(dtype=torch.float64))


def _check_finite(
    found: Elements, base: Checkpoint | None, checkpoints: Sequence[Checkpoint], name: str
) -> None:
    if bool(found.dots.isfinite().all()):
        return
    bad = [
        one.label
        for one in (*([] if base is None else [base]), *checkpoints)
        if not bool(tensor_of(one, name).isfinite().all())
    ]
    raise CheckpointError(
        f"inspect: {name!r} has NaN or infinite numbers in {', '.join(bad) or 'the differences'}; "
        "expected finite ones; these weights are broken"
    )
