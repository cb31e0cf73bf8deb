"""The classifier that CLIP makes of class names: one direction a class, frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


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
) -> ZeroShotHead:
    """The head to classify with before, during and after fine-tuning of an open_clip model.

    Per class: the texts of all templates are encoded and normalised, their mean is normalised
    again (Radford et al. 2021, section 3.1.4), times exp(logit_scale).

    Equivalent for one template: `normalize(model.encode_text(tokenizer(texts))) * scale`.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    rows = []
    for name in classes:
        tokens = tokenizer([template.format(name) for template in templates]).to(device)
        texts = functional.normalize(model.encode_text(tokens).float(), dim=-1)
        rows.append(functional.normalize(texts.mean(0), dim=-1))
    model.train(was_training)
    return ZeroShotHead(torch.stack(rows) * model.logit_scale.exp().float())
