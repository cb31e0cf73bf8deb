"""Contrastive pre-training of the demo's small CLIP on glyphs and emoji with their names."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from demo_model.augment import compose
from demo_model.captions import phrase
from demo_model.glyphs import Rendered, common_sign
from taujp.train import learning_rate_factor

IMAGE_SIZE = 32
MEAN, STD = 0.3, 0.35
SIGN_WEIGHT = 3.0  # how much more often a common sign is drawn than another glyph
MAX_LOGIT_SCALE = math.log(100)  # as CLIP clamps it

Tokenizer = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Recipe:
    """The settings of one pre-training run; a quarter of every batch is emoji."""

    steps: int = 1100
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 60
    seed: int = 0


def model_config(vocabulary_size: int) -> dict[str, Any]:
    """The model_cfg of open_clip_config.json: 0.84 M image and 0.56 M text parameters."""
    vision = {
        "image_size": IMAGE_SIZE,
        "patch_size": 8,
        "width": 128,
        "layers": 4,
        "head_width": 32,
    }
    text = {
        "context_length": 16,
        "vocab_size": vocabulary_size,
        "width": 96,
        "heads": 3,
        "layers": 2,
    }
    return {"embed_dim": 128, "vision_cfg": vision, "text_cfg": text}


def preprocess_config() -> dict[str, Any]:
    """The preprocess_cfg of open_clip_config.json."""
    return {
        "mean": [MEAN] * 3,
        "std": [STD] * 3,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }


def build(config: dict[str, Any]) -> CLIP:
    """A randomly initialised open_clip CLIP of this configuration."""
    return CLIP(
        embed_dim=config["embed_dim"],
        vision_cfg=CLIPVisionCfg(**config["vision_cfg"]),
        text_cfg=CLIPTextCfg(**config["text_cfg"]),
    )


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """Symmetric cross-entropy; `same` marks pairs with one caption, which share the target."""
    logits = scale * images @ texts.T
    targets = same.float() / same.sum(1, keepdim=True)
    return (
        functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)
    ) / 2


@dataclass(frozen=True)
class Batches:
    """Draws batches of augmented images with random phrasings of their names."""

    glyphs: Rendered
    emoji: Rendered
    tokenizer: Tokenizer
    batch_size: int

    def draw(
        self, weights: Tensor, rng: random.Random, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """One batch: images [n, 3, 32, 32] normalised, tokens [n, 16]."""
        few = self.batch_size // 4
        glyph = torch.multinomial(weights, self.batch_size - few, True, generator=generator)
        emoji = torch.randint(len(self.emoji.names), (few,), generator=generator)
        images = compose(
            pixels(self.glyphs, glyph),
            pixels(self.emoji, emoji),
            size=IMAGE_SIZE,
            generator=generator,
        )
        captions = [
            phrase(self.glyphs.names[i], self.glyphs.styles[i], rng) for i in glyph.tolist()
        ]
        captions += [phrase(self.emoji.names[i], (), rng) for i in emoji.tolist()]
        return (images - MEAN) / STD, self.tokenizer(captions)


def pixels(rendered: Rendered, chosen: Tensor) -> Tensor:
    """The chosen images as floats [n, channels, height, width] in [0, 1]."""
    return torch.from_numpy(rendered.images[chosen.numpy()]).permute(0, 3, 1, 2) / 255


def pretrain(model: CLIP, batches: Batches, recipe: Recipe) -> list[float]:
    """Trains `model` in place and returns the loss of every step."""
    rng, generator = random.Random(recipe.seed), torch.Generator().manual_seed(recipe.seed)
    signs = [common_sign(character) for character in batches.glyphs.characters]
    weights = 1 + (SIGN_WEIGHT - 1) * torch.tensor(signs, dtype=torch.float32)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    factor = partial(learning_rate_factor, steps=recipe.steps, warmup_steps=recipe.warmup_steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    losses: list[float] = []
    progress = tqdm(range(recipe.steps), desc="pre-training", mininterval=5)
    for _ in progress:
        losses.append(step(model, *batches.draw(weights, rng, generator), optimiser))
        schedule.step()
        progress.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}")
    return losses


def step(model: CLIP, images: Tensor, tokens: Tensor, optimiser: torch.optim.Optimizer) -> float:
    """One update; returns the loss before it."""
    image_features, text_features, scale = model(images, tokens)
    same = (tokens[:, None] == tokens[None]).all(-1)
    loss = contrastive_loss(image_features, text_features, scale, same)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
    return loss.item()
