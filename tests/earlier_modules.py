"""Models as earlier task-arithmetic projects keep them: pickled whole, or by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn


class ImageEncoder(nn.Module):
    """An open_clip model within a module, beside things that are no weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.train_preprocess = nn.Sequential(nn.ReLU())
        self.cache_dir, self.kinds = "cache", {"a", "b"}
        self.register_buffer("passing", torch.ones(3), persistent=False)
        self.register_buffer("kept", torch.arange(3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model.encode_image(images)


class ImageClassifier(nn.Module):
    """An encoder and a head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(model)
        self.classification_head = nn.Linear(4, 2)


def linearised_state(theta0: nn.Module, theta: nn.Module, *, with_theta0: bool = True) -> dict:
    """The state dict of a linearised encoder: lists of parameters, and the model's name."""
    lists = {"params": theta, "params0": theta0} if with_theta0 else {"params": theta}
    state = {
        f"model.{kind}.{number}": value.detach().clone()
        for kind, model in lists.items()
        for number, value in enumerate(model.parameters())
    }
    return {**state, "model_name": "ViT-tiny"}


def saved(folder: Path, content: Any, *, as_zip: bool = True, **options: Any) -> Path:
    """What torch.save writes now, or wrote before torch 1.6."""
    path = folder / "module.pt"
    torch.save(content, path, _use_new_zipfile_serialization=as_zip, **options)
    return path
