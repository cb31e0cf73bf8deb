"""The tiny model as a folder, its tasks as registered ones: what people name on a command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from small_clip import WORDS, small_clip
from taujp.data import ArrayImages
from taujp.data.splits import RawSplits
from taujp.data.task import registered, task

CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 8,
            "patch_size": 4,
            "width": 16,
            "layers": 1,
            "head_width": 8,
        },
        "text_cfg": {
            "context_length": 4,
            "vocab_size": len(WORDS) + 3,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    },
    "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3},
}
# In the order of the alphabet, as a folder's files are.
CLASSES = {"colour": WORDS[:3], "shade": ("red", "blue"), "side": WORDS[3:]}


def small_clip_folder(folder: Path) -> Path:
    """What open_clip would save of small_clip()."""
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    (folder / "words.txt").write_text("\n".join(WORDS))
    state = {name: value.contiguous() for name, value in small_clip().state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


@contextmanager
def small_registered_tasks() -> Iterator[tuple[str, ...]]:
    """Three tasks of noisy images: the channel, the half, or the shade that is raised."""
    for name, classes in CLASSES.items():
        task(name, classes=classes, templates=("{}",))(_layout(name, len(classes)))
    try:
        yield tuple(CLASSES)
    finally:
        for name in CLASSES:
            del registered[name]


def _layout(name: str, classes: int):
    def layout(root: Path) -> RawSplits:
        return RawSplits(*(_images(name, classes, count, seed) for seed, count in PARTS))

    return layout


PARTS = ((0, 120), (1, 40), (2, 40))


def _images(name: str, classes: int, count: int, seed: int) -> ArrayImages:
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = generator.normal(128, 40, (count, 8, 8, 3))
    for image, label in zip(images, labels, strict=True):
        if name == "colour":
            image[..., label] += 80
        elif name == "side":
            image[:, 4 * label : 4 * label + 4] += 80
        else:
            image += 60 * label - 30
    pixels = images.clip(0, 255).astype(np.uint8)
    return ArrayImages(pixels, labels, f"{name}-{seed}")
