"""The image encoder's part of a model: what is fine-tuned, merged and swapped.

The names keep their prefix ("visual.proj"), so a fine-tuned file fits the whole model's file.
The text tower is left out: it never changes, and a task vector need not carry it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

PREFIX = "visual."


def encoder_state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the image encoder's weights on the CPU, by their names in the whole model."""
    state = model.state_dict()
    kept = {
        name: value.detach().cpu().clone()
        for name, value in state.items()
        if name.startswith(PREFIX)
    }
    if not kept:
        raise ValueError(
            f"encoder_state: {type(model).__name__} has no weights under '{PREFIX}'; expected an "
            "open_clip model; wrap the encoder in a module that holds it as `visual`"
        )
    return kept


def load_encoder(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copies weights into the model's image encoder; every name must be there, and no other."""
    current = {name: value for name, value in model.state_dict().items() if name.startswith(PREFIX)}
    missing, extra = sorted(current.keys() - state.keys()), sorted(state.keys() - current.keys())
    if missing or extra:
        raise ValueError(
            f"load_encoder: {len(missing)} weights are missing ({missing[:3]}) and {len(extra)} "
            f"are unknown ({extra[:3]}); expected exactly the model's '{PREFIX}*' weights; check "
            "that the checkpoint belongs to this model"
        )
    with torch.no_grad():
        for name, value in current.items():
            value.copy_(state[name])


@contextmanager
def encoder_weights(model: nn.Module, state: Mapping[str, Tensor]) -> Iterator[nn.Module]:
    """The model with other image encoder weights inside the block; its own return after it."""
    own = encoder_state(model)
    try:
        load_encoder(model, state)
        yield model
    finally:
        load_encoder(model, own)
