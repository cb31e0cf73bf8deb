"""What of a model is measured, and its weights and task vectors by its own names.

An open_clip model counts as its image encoder: `model.visual`, whose weights are called "visual.*"
in the whole model's checkpoints.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from taujp.checkpoint import Checkpoint, open_checkpoint, tensor_of


@dataclass(frozen=True)
class Encoder:
    """A module from images to features, and what its names begin with in checkpoints."""

    module: nn.Module
    prefix: str

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.module.parameters()).device

    def shapes(self) -> dict[str, torch.Size]:
        """The shape of every floating parameter, by the module's own names."""
        parameters = self.module.named_parameters()
        return {name: value.shape for name, value in parameters if value.is_floating_point()}


def encoder_of(model: nn.Module) -> Encoder:
    """The image encoder of an open_clip model, or the module itself where it has no `visual`."""
    visual = getattr(model, "visual", None)
    return Encoder(visual, "visual.") if isinstance(visual, nn.Module) else Encoder(model, "")


def encoder_at(model: nn.Module, base: Any) -> Encoder:
    """The encoder at `base`'s weights: a copy, or the model's own module where base is None.

    base: whatever `open_checkpoint` takes. ValueError where it lacks a weight of the encoder.
    """
    encoder = encoder_of(model)
    if base is None:
        return encoder
    moved = Encoder(copy.deepcopy(encoder.module), encoder.prefix)
    state = moved.module.state_dict()
    weights = weights_of(open_checkpoint(base), encoder.prefix, state)
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(weights[name])
    return moved


def task_vector_of(encoder: Encoder, source: Any) -> dict[str, Tensor]:
    """tau by the encoder's own names, on its device, in fp32 (fp64 where the encoder is).

    source: a taujp.TaskVector; a mapping of tau by name, where what is left out does not move; a
    path of a fine-tuned checkpoint (minus the encoder's weights) or of a saved task vector.
    Raises ValueError for names and shapes that are not the encoder's.
    """
    shapes = encoder.shapes()
    if isinstance(source, Mapping):
        tau = _own_names(source, encoder.prefix)
    elif hasattr(source, "terms"):
        tau = _sum_of_terms(source.terms, encoder.prefix, shapes)
    elif isinstance(source, str | os.PathLike):
        tau = _from_file(open_checkpoint(source), encoder, shapes)
    else:
        raise ValueError(
            f"task vector: came a {type(source).__name__}; expected a TaskVector, a mapping of "
            "name to tau, or a path of a fine-tuned checkpoint"
        )
    _check(tau, shapes)
    dtypes = {name: value.dtype for name, value in encoder.module.named_parameters()}
    return {
        name: value.detach().to(encoder.device, _precise(dtypes[name])).contiguous()
        for name, value in tau.items()
    }


def checked_features(output: Any, operation: str) -> Tensor:
    """What an encoder gives for a batch, where it is features [n, width]; otherwise ValueError."""
    if isinstance(output, Tensor) and output.dim() == 2:
        return output
    came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise ValueError(
        f"{operation}: the model gives {came}; expected features [n, width]; wrap it in a module "
        "that returns them"
    )


def weights_of(checkpoint: Checkpoint, prefix: str, names: Iterable[str]) -> dict[str, Tensor]:
    """The named weights of a checkpoint whose names may carry the prefix; others are left out."""
    prefix = prefix if any(name.startswith(prefix) for name in checkpoint.entries) else ""
    return {name: tensor_of(checkpoint, prefix + name) for name in names}


def _precise(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype == torch.float64 else torch.float32


def _own_names(tau: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Without the prefix; where some names carry it, the others are of the text tower."""
    if not prefix or not any(name.startswith(prefix) for name in tau):
        return dict(tau)
    return {
        name.removeprefix(prefix): value for name, value in tau.items() if name.startswith(prefix)
    }


def _sum_of_terms(terms: Any, prefix: str, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """sum of coefficient * checkpoint, formed in float64."""
    parts = [(term.coefficient, weights_of(term.checkpoint, prefix, shapes)) for term in terms]
    for _, weights in parts:
        _check(weights, shapes)
    zeros = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
    return {
        name: sum((c * weights[name].double() for c, weights in parts), zero)
        for name, zero in zeros.items()
    }


def _from_file(
    checkpoint: Checkpoint, encoder: Encoder, shapes: Mapping[str, torch.Size]
) -> dict[str, Tensor]:
    """A saved task vector as it is; a model minus the encoder's weights."""
    found = weights_of(checkpoint, encoder.prefix, shapes)
    if checkpoint.metadata.get("taujp.kind") == "task vector":
        return found
    _check(found, shapes)
    theta0 = dict(encoder.module.named_parameters())
    return {
        name: value.to(encoder.device).double() - theta0[name].detach().double()
        for name, value in found.items()
    }


def _check(tau: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> None:
    unknown = sorted(tau.keys() - shapes.keys())
    if unknown or not tau:
        raise ValueError(
            f"task vector: it has {len(tau)} names, of which the encoder has no {unknown[:3]}; "
            f"expected names such as {list(shapes)[:3]}; pass the model that was fine-tuned"
        )
    for name, value in tau.items():
        if value.shape != shapes[name]:
            raise ValueError(
                f"task vector: '{name}' has shape {tuple(value.shape)}; the encoder has "
                f"{tuple(shapes[name])}; pass the model that was fine-tuned"
            )
