"""Turns rendered alpha images into training images: colours, rotation, scale, shift, blur."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

PLAIN, BLURRED = 0.85, 0.1  # shares of the images


def placed(images: Tensor, *, flip: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Random rotation to 10 degrees, scale 0.8-1.1 and shift: [n, c, size, size]."""
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle = uniform(-1, 1) * math.radians(10)
    zoom = 1 / uniform(0.8, 1.1)
    mirror = torch.where(flip & (uniform(0, 1) < 0.5), -1.0, 1.0)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = [cos * mirror, -sin, uniform(-0.1, 0.1), sin * mirror, cos, uniform(-0.1, 0.1)]
    theta = torch.stack(rows, dim=1).view(count, 2, 3)
    grid = functional.affine_grid(theta, [count, images.shape[1], size, size], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def colours(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Fore- and background colours [n, 3, 1, 1]: mostly grey on black, else any two that differ.

    Colours on every image would triple the steps needed: the tasks are grey on black as well.
    """
    fore = torch.rand(count, 3, generator=generator)
    back = torch.rand(count, 3, generator=generator)
    near = (fore - back).abs().mean(1, keepdim=True) < 0.25
    fore = torch.where(near, (back + 0.5) % 1, fore)
    plain = (torch.rand(count, 1, generator=generator) < PLAIN).expand(-1, 3)
    grey = (0.6 + 0.4 * torch.rand(count, 1, generator=generator)).expand(-1, 3)
    fore = torch.where(plain, grey, fore)
    back = torch.where(plain, torch.zeros_like(back), back)
    return fore.view(count, 3, 1, 1), back.view(count, 3, 1, 1)


def blurred(images: Tensor, generator: torch.Generator) -> Tensor:
    """A few of the images at half their resolution, as small scans are."""
    soft = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2, mode="bilinear")
    chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < BLURRED
    return torch.where(chosen, soft, images)


def compose(glyphs: Tensor, emoji: Tensor, *, size: int, generator: torch.Generator) -> Tensor:
    """Images [n, 3, size, size] in [0, 1] from coverage [a, 1, h, w] and RGBA [b, 4, h, w].

    A third of the emoji keep their colours, a third turn grey, a third become silhouettes.
    """
    count = len(glyphs) + len(emoji)
    kind = torch.randint(3, (len(emoji), 1, 1, 1), generator=generator)
    ink = emoji[:, :3]
    ink = torch.where(kind == 1, ink.mean(1, keepdim=True).expand_as(ink), ink)
    fore, back = colours(count, generator)
    ink = torch.where(kind == 2, fore[len(glyphs) :].expand_as(ink), ink)
    ink = torch.cat([fore[: len(glyphs)].expand(-1, -1, *glyphs.shape[2:]), ink])
    alpha = torch.cat([glyphs, emoji[:, 3:]])
    flip = torch.arange(count) >= len(glyphs)
    # Colours are placed multiplied by alpha, or the transparent border would bleed in.
    layers = torch.cat([ink * alpha, alpha], dim=1)
    layers = placed(layers, flip=flip, size=size, generator=generator)
    return blurred(layers[:, :3] + back * (1 - layers[:, 3:]), generator)
