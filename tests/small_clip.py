"""A tiny random open_clip model and easy tasks, so that tests take seconds."""

from __future__ import annotations

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch.utils.data import TensorDataset

from taujp.data import Splits, WordTokenizer
from taujp.train import PreparedTask, Recipe, ZeroShotHead, finetune, zero_shot_head

WORDS = ("red", "green", "blue", "left", "right")


def small_clip(seed: int = 0) -> CLIP:
    """One layer, 8 x 8 images, random weights."""
    torch.manual_seed(seed)
    tokenizer = small_tokenizer()
    return CLIP(
        embed_dim=16,
        vision_cfg=CLIPVisionCfg(image_size=8, patch_size=4, width=16, layers=1, head_width=8),
        text_cfg=CLIPTextCfg(
            context_length=4, vocab_size=tokenizer.vocabulary_size, width=16, heads=2, layers=1
        ),
    ).eval()


def small_tokenizer() -> WordTokenizer:
    return WordTokenizer(WORDS, context_length=4)


def colour_images(count: int, seed: int) -> TensorDataset:
    """Noise with one of three channels raised: the label is the channel."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randn(count, 3, 8, 8, generator=generator)
    images[torch.arange(count), labels] += 2
    return TensorDataset(images, labels)


def side_images(count: int, seed: int) -> TensorDataset:
    """Noise with the left or the right half raised: the label is the side."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randn(count, 3, 8, 8, generator=generator)
    for index, side in enumerate(labels.tolist()):
        images[index, :, :, 4 * side : 4 * side + 4] += 2
    return TensorDataset(images, labels)


def small_tasks(model: CLIP) -> list[PreparedTask]:
    """Two tasks the model can learn in a few steps."""
    heads = [head_of(model, WORDS[:3]), head_of(model, WORDS[3:])]
    return [
        PreparedTask(name, head, Splits(make(120, 0), make(40, 1), make(40, 2)))
        for name, head, make in zip(
            ("colour", "side"), heads, (colour_images, side_images), strict=True
        )
    ]


def head_of(model: CLIP, classes: tuple[str, ...]) -> ZeroShotHead:
    return zero_shot_head(model, small_tokenizer(), classes, ("{}",))


def finetuned_states(model: CLIP, tasks: list[PreparedTask], recipe: Recipe) -> dict[str, dict]:
    """Each task's fine-tuned encoder, by the task's name."""
    return {
        task.name: finetune(model, task.head, task.splits.train, recipe, progress=False).state
        for task in tasks
    }
