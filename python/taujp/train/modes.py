"""The ways to fine-tune an encoder: which forward pass is trained, and what its weights are.

A learner is what data parallelism wraps: its forward is the only pass through the model in a step,
so every gradient goes through the synchronisation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

Mode = Literal["standard", "linear", "attention", "lora"]
LINEARISED: tuple[Mode, ...] = ("linear", "attention", "lora")
Control = Sequence[dict[str, Tensor]]
RANK = 16  # of low-rank tangents where none is given


class Learner(Protocol):
    """`forward(images, control)` -> (features [n, width], J tau of every control image)."""

    def __call__(
        self, images: Tensor, control: Control
    ) -> tuple[Tensor, tuple[dict[str, Tensor], ...]]: ...

    def state(self) -> dict[str, Tensor]:
        """theta by the encoder's own names."""


class OrdinaryLearner(nn.Module):
    """f(x; theta), as the model was built: with its dropout and batch statistics."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.train()

    def forward(
        self, images: Tensor, control: Control
    ) -> tuple[Tensor, tuple[dict[str, Tensor], ...]]:
        return self.encoder(images), ()

    def state(self) -> dict[str, Tensor]:
        return dict(self.encoder.state_dict())


class PenalisedLearner(nn.Module):
    """f(x; theta) in evaluation mode, and the tangents J(x; theta0) tau of the control images."""

    def __init__(self, lin: Any) -> None:
        super().__init__()
        self.lin = lin

    def forward(
        self, images: Tensor, control: Control
    ) -> tuple[Tensor, tuple[dict[str, Tensor], ...]]:
        features = self.lin.module(images)
        rows = _rows(control)
        if not rows:
            return features, named_like(control, ())
        tangents = self.lin.dual(torch.cat(rows))[1]
        return features, named_like(control, tangents.split([len(each) for each in rows]))

    def state(self) -> dict[str, Tensor]:
        return dict(self.lin.state())


class LinearisedLearner(nn.Module):
    """f(x; theta0) + J(x; theta0) tau; training and control images share one pass."""

    def __init__(self, lin: Any) -> None:
        super().__init__()
        self.lin = lin

    def forward(
        self, images: Tensor, control: Control
    ) -> tuple[Tensor, tuple[dict[str, Tensor], ...]]:
        rows = [images, *_rows(control)]
        features, tangents = self.lin.dual(torch.cat(rows))
        own, *others = full_precision(tangents).split([len(each) for each in rows])
        return full_precision(features[: len(images)]) + own, named_like(control, others)

    def state(self) -> dict[str, Tensor]:
        return dict(self.lin.state())


def make_learner(
    encoder: nn.Module,
    mode: Mode,
    *,
    trainable: str | Sequence[str] | None = None,
    rank: int | None = None,
    chunk: int | None = None,
    penalised: bool = False,
) -> Any:
    """The learner of a mode, on a copy of `encoder`; ValueError for options that contradict it."""
    _check(mode, trainable, rank, chunk)
    if mode == "standard" and not penalised:
        return OrdinaryLearner(_masked(copy.deepcopy(encoder), trainable))
    from taujp.tangent import linearize

    if mode == "standard":
        return PenalisedLearner(linearize(encoder, trainable=trainable))
    if mode == "attention":
        trainable = "attention"
    if mode == "lora":
        rank = rank or RANK
    return LinearisedLearner(linearize(encoder, trainable=trainable, rank=rank, chunk=chunk))


def _masked(encoder: nn.Module, trainable: str | Sequence[str] | None) -> nn.Module:
    from taujp.tangent.trainable import trainable_names

    chosen = set(trainable_names(encoder, trainable))
    for name, value in encoder.named_parameters():
        value.requires_grad_(name in chosen)
    return encoder


def _check(
    mode: Mode, trainable: str | Sequence[str] | None, rank: int | None, chunk: int | None
) -> None:
    if mode not in get_args(Mode):
        raise ValueError(f"finetune: mode is {mode!r}; expected one of {list(get_args(Mode))}")
    if mode != "lora" and rank is not None:
        raise ValueError(f"finetune: rank is {rank}, mode {mode!r}; expected mode 'lora' with it")
    if mode == "standard" and chunk is not None:
        raise ValueError(
            f"finetune: chunk is {chunk}, mode 'standard'; expected a linearised mode; to save "
            "memory here set Recipe.accumulate"
        )
    if mode == "attention" and trainable is not None:
        raise ValueError(
            f"finetune: trainable is {trainable!r}, mode 'attention'; expected one of the two; "
            "mode 'linear' takes patterns"
        )


def _rows(control: Control) -> list[Tensor]:
    return [images for each in control for images in each.values()]


def full_precision(values: Tensor) -> Tensor:
    """At least fp32: autocast gives 16 bits, too few to add a small tangent in."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def named_like(control: Control, tangents: Sequence[Tensor]) -> tuple[dict[str, Tensor], ...]:
    """The tangents, in the order of _rows, under the names of their images."""
    remaining = iter(tangents)
    return tuple({name: next(remaining) for name in each} for each in control)
