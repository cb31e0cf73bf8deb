"""An image-text model by what one types for it, with its tokenizer and transform."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taujp.data import DEMO_MODEL, WordTokenizer
from taujp.device import usable

PRETRAINED = "openai"


@dataclass(frozen=True)
class ImageTextModel:
    """An open_clip model in evaluation mode, its tokenizer, and the transform of its images."""

    model: Any
    tokenizer: Any
    transform: Any


def load_model(name: str, *, device: str = "cpu") -> ImageTextModel:
    """Loads "demo", a folder with an open_clip model, or NAME[:WEIGHTS] of open_clip in fp32.

    WEIGHTS: a tag of open_clip (default "openai"), a file, or "none" for random weights. ValueError
    for a name or tag that open_clip does not know, and for a device that is not there; ImportError
    without it.
    """
    import open_clip

    device = usable(device)
    if name == "demo" or Path(name).is_dir():
        return _from_folder(DEMO_MODEL if name == "demo" else Path(name), device)
    architecture, _, weights = name.partition(":")
    try:
        model, _, transform = open_clip.create_model_and_transforms(
            architecture, None if weights == "none" else weights or PRETRAINED, device=device
        )
    except RuntimeError as error:
        raise ValueError(
            f"model: '{name}' cannot be loaded: {error}; expected 'demo', a folder, or "
            "NAME[:WEIGHTS] such as ViT-B-32:openai; open_clip.list_pretrained() has them all"
        ) from error
    return ImageTextModel(model.eval(), open_clip.get_tokenizer(architecture), transform)


def _from_folder(folder: Path, device: str) -> ImageTextModel:
    """What open_clip saved; with a words.txt beside it the tokenizer is by words."""
    import open_clip

    name = f"local-dir:{folder}"
    model, transform = open_clip.create_model_from_pretrained(name, device=device)
    words = folder / "words.txt"
    if words.exists():
        context = model.context_length
        return ImageTextModel(
            model.eval(), WordTokenizer.from_file(words, context_length=context), transform
        )
    return ImageTextModel(model.eval(), open_clip.get_tokenizer(name), transform)
