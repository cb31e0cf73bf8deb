"""The small image-text model that ships with the package, loaded as open_clip loads any other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taujp.data.tokenizer import WordTokenizer

if TYPE_CHECKING:
    from torch import nn

ASSETS = Path(__file__).parent / "assets"
DEMO_MODEL = ASSETS / "model"


@dataclass(frozen=True)
class DemoModel:
    """What open_clip.create_model_and_transforms and get_tokenizer give for a large model."""

    model: nn.Module
    tokenizer: WordTokenizer
    transform: Any


def load_demo_model(folder: str | Path = DEMO_MODEL) -> DemoModel:
    """The model in evaluation mode (fp32), its tokenizer, and the transform for its images.

    For a larger model call open_clip itself:
    `open_clip.create_model_and_transforms("ViT-B-32", "openai")`, `get_tokenizer("ViT-B-32")`.
    """
    import open_clip

    name = f"local-dir:{folder}"
    model, transform = open_clip.create_model_from_pretrained(name)
    return DemoModel(model.eval(), WordTokenizer.from_file(Path(folder) / "words.txt"), transform)
