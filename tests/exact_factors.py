"""Kronecker factors with every output direction, and models moved by a task vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import taujp
from small_models import moved
from taujp.tangent import Linearized
from taujp.tangent.kronecker import Factors, gather_factors

# Images of small_models.tokens_model.
X = torch.randn(6, 4, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def exact(model: nn.Module, x: Any, **options: Any) -> Factors:
    """The factors without random draws, of the features as they are."""
    return gather_factors(model, None, [x], draws=None, normalised=False, **options)


def at(model: nn.Module, tau: dict[str, Tensor], **options: Any) -> Linearized:
    """The model linearised, and moved by tau."""
    return taujp.linearize(model, at=moved(model, tau), **options)
