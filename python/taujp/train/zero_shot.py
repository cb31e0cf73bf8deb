"""The classifier that CLIP makes of class names: one direction a class, frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

TEXTS_AT_ONCE = 512


class ZeroShotHead(nn.Module):
    """Logits [n, classes] of image features [n, width]: scale * <features / |features|, weight>.

    `weight` [classes, width] already carries the model's exp(logit_scale). It is a buffer, so no
    optimiser finds it.
    """

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, features: Tensor) -> Tensor:
        """Features as the encoder gives them; they are normalised here."""
        return functional.linear(functional.normalize(features, dim=-1), self.weight)


@torch.no_grad()
def zero_shot_head(
    model: Any,
    tokenizer: Callable[[list[str]], Tensor],
    classes: Sequence[str],
    templates: Sequence[str],
    *,
    texts_at_once: int = TEXTS_AT_ONCE,
) -> ZeroShotHead:
    """The head to classify with before, during and after fine-tuning of an open_clip model.

    Per class: the texts of all templates are encoded and normalised, their mean is normalised
    again (Radford et al. 2021, section 3.1.4), times exp(logit_scale). The texts of several
    classes go through the text tower together, `texts_at_once` at most.

    Equivalent for one template: `normalize(model.encode_text(tokenizer(texts))) * scale`.
    """
    texts = [template.format(name) for name in classes for template in templates]
    was_training = model.training
    model.eval()
    try:
        parts = [texts[at : at + texts_at_once] for at in range(0, len(texts), texts_at_once)]
        encoded = torch.cat([_encode(model, tokenizer, part) for part in parts])
    finally:
        model.train(was_training)
    means = encoded.reshape(len(classes), len(templates), -1).mean(1)
    return ZeroShotHead(functional.normalize(means, dim=-1) * model.logit_scale.exp().float())


def _encode(model: Any, tokenizer: Callable[[list[str]], Tensor], texts: list[str]) -> Tensor:
    """Unit vectors fp32 [n, width] of n texts."""
    device = next(model.parameters()).device
    return functional.normalize(model.encode_text(tokenizer(texts).to(device)).float(), dim=-1)
